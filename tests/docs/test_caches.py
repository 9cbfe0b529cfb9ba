"""An edit runs what uses it and nothing else."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

import caches


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the book's sources, which may be edited, where the caches look."""
    copy = tmp_path_factory.mktemp("book")
    built = shutil.ignore_patterns("*.gz", "__pycache__", "_*.md", "_ext", "_static")
    for folder in ("src", "docs", "gallery"):
        shutil.copytree(caches.ROOT / folder, copy / folder, ignore=built)
    shutil.rmtree(copy / "docs" / "gallery", ignore_errors=True)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(caches, "ROOT", copy)
        monkeypatch.setattr(caches, "GALLERY", copy / "gallery")
        monkeypatch.setattr(caches, "KEPT", copy / "_build" / "gallery")
        yield copy
    forget()


@pytest.fixture(scope="module")
def before(book: Path) -> dict[str, str]:
    """The digests before any edit."""
    return digests(book)


def forget() -> None:
    """Read every file anew, as the next build does."""
    for each in (caches._modules, caches._code):
        each.cache_clear()


def digests(book: Path) -> dict[str, str]:
    """Return the digest of each page and script."""
    forget()
    found = {}
    for path in sorted([*book.rglob("docs/**/*.md"), *book.rglob("gallery/**/*.py")]):
        text = path.read_text(encoding="utf-8")
        code = caches.cells(text) if path.suffix == ".md" else text
        if code:
            found[path.relative_to(book).with_suffix("").as_posix()] = caches.digest(
                code
            )
    return found


@contextmanager
def edited(path: Path, old: str, new: str) -> Iterator[None]:
    """Write something else in a file for a while."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    forget()
    yield
    path.write_text(text, encoding="utf-8")
    forget()


@pytest.fixture
def moved(book: Path, before: dict[str, str]) -> Callable[[str, str, str], set[str]]:
    """Return the pages and scripts whose digest an edit moves."""

    def names(file: str, old: str, new: str) -> set[str]:
        with edited(book / file, old, new):
            after = digests(book)
        return {name for name in before if before[name] != after[name]}

    return names


CODE = ('"""\n\n', '"""\n\nTWO = 2\n\n')


def test_the_code_of_a_section_runs_what_imports_it_and_nothing_else(
    moved: Callable[..., set[str]],
) -> None:
    found = moved("src/dlnotes/optimization/adam.py", *CODE)

    assert {
        "docs/cnn/convolution",  # whose filters Adam trains
        "docs/optimization/adam",
        "gallery/cnn/do_these_layers_train_like_pytorchs",
    } <= found
    assert not [
        name for name in found if name.startswith(("docs/neurons/", "gallery/neurons/"))
    ]


def test_a_module_is_followed_through_others(moved: Callable[..., set[str]]) -> None:
    found = moved("src/dlnotes/lab/fetch.py", *CODE)

    assert {"docs/data", "docs/index", "docs/optimization/gradient_descent"} <= found
    assert not {"docs/networks/activations", "docs/networks/index"} & found


def test_a_docstring_and_a_comment_run_nothing(
    moved: Callable[..., set[str]],
) -> None:
    edits = ('"""', '"""A word more.  '), ("\n\ndef ", "\n\n# A word.\ndef ")

    assert [moved("src/dlnotes/arrays.py", *edit) for edit in edits] == [set(), set()]


def test_a_result_runs_the_page_that_names_it(moved: Callable[..., set[str]]) -> None:
    assert moved("docs/results/benchmarks.json", "{", "{ ") == {"docs/speed"}


def test_another_version_runs_everything(
    book: Path, before: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caches, "version", lambda _: "0")
    after = digests(book)

    assert not set(before.items()) & set(after.items())


def test_what_is_imported_for_types_alone_is_not_used(book: Path) -> None:
    plots = caches.sources("from dlnotes.lab import plots")

    assert book / "src/dlnotes/lab/plots.py" in plots
    assert book / "src/dlnotes/lab/fit.py" not in plots


def test_a_command_of_ipython_uses_everything(book: Path) -> None:
    assert set((book / "src").rglob("*.py")) <= {*caches.sources("%timeit f()")}


@pytest.mark.parametrize("options", ["", ":tags: [hide]\n", "---\ntags: [hide]\n---\n"])
def test_a_cell_is_found_without_its_options(options: str) -> None:
    page = f"Text.\n\n```{{code-cell}} python\n{options}x = 1\n```\n\nMore.\n"

    assert caches.cells(page) == "x = 1\n"


def page_of(code: str) -> str:
    head = "---\nfile_format: mystnb\nkernelspec:\n  name: python3\n---\n"
    return f"{head}\n```{{code-cell}} python\n{code}\n```\n"


def test_the_digest_stands_where_jupyter_cache_looks(book: Path) -> None:
    noted: list[str] = []
    app: Any = SimpleNamespace(env=SimpleNamespace(note_dependency=noted.append))
    old = page_of("from dlnotes.optimization.adam import update")
    text = [old]

    caches.name_cells(app, "page", text)

    kernel = yaml.safe_load(text[0].split("---")[1])["kernelspec"]
    assert kernel == {"name": "python3", "digest": caches.digest(caches.cells(old))}
    assert text[0].count("\n") == old.count("\n")
    assert str(book / "src/dlnotes/optimization/adam.py") in noted


def test_a_script_is_run_again_when_what_it_imports_is_another(book: Path) -> None:
    app: Any = SimpleNamespace(srcdir=book / "docs")
    scripts = [each.relative_to(book) for each in (book / "gallery").rglob("*.py")]
    kept = [book / "docs" / f"{script}.md5" for script in scripts]

    def build() -> set[str]:
        forget()
        caches.forget_scripts(app)
        run = {each.name for each in kept if not each.exists()}
        for each in kept:
            each.parent.mkdir(parents=True, exist_ok=True)
            each.touch()
        return run

    assert build() == {each.name for each in kept}
    assert build() == set()
    with edited(book / "src/dlnotes/optim/adam.py", *CODE):
        assert build() == {"do_these_layers_train_like_pytorchs.py.md5"}
        assert build() == set()
    shutil.rmtree(book / "_build")
    assert build() == {each.name for each in kept}


def test_every_page_with_cells_has_the_kernel_that_gets_the_digest() -> None:
    for path in (caches.ROOT / "docs").rglob("[!_]*.md"):
        text = path.read_text(encoding="utf-8")
        assert caches._KERNEL.search(text) or not caches.cells(text), path


def test_no_name_of_a_script_has_a_space() -> None:
    assert not [path for path in caches.GALLERY.rglob("*.py") if " " in path.name]
