"""Whatever befalls a file on its way here, it is right or it is not used."""

import gzip
import hashlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from dlnotes.lab import fetch
from dlnotes.lab.fetch import DatasetError, DatasetUnavailable, File, Found, find

CONTENT = np.random.default_rng(0).integers(0, 16, 200_000, np.uint8).tobytes()
PACKED = gzip.compress(CONTENT, 1, mtime=0)
OTHER = gzip.compress(bytes(len(CONTENT)), mtime=0)
FILE = File(
    "numbers",
    hashlib.sha256(CONTENT).hexdigest(),
    len(CONTENT),
    hashlib.sha256(PACKED).hexdigest(),
)


class Server(BaseHTTPRequestHandler):
    """Answers, well or badly, as the first part of the path says."""

    asked: list[str]
    answers = {  # noqa: RUF012  # what is sent, and the length that is promised
        "good": (PACKED, len(PACKED)),
        "cut": (PACKED[:5000], len(PACKED)),
        "cut-without-length": (PACKED[:5000], None),
        "portal": (b"<html>Please log in", 19),
        "repacked": (gzip.compress(CONTENT, 9, mtime=0), None),
        "other": (OTHER, len(OTHER)),
        "unpacked": (CONTENT, len(CONTENT)),
        "endless": (PACKED + bytes(len(CONTENT) * 3), None),
    }

    def do_GET(self) -> None:
        self.asked.append(self.path)
        behavior = self.path.split("/")[1]
        if behavior == "silent":
            time.sleep(9)
            return
        if behavior not in self.answers:
            self.send_error(404)
            return
        body, length = self.answers[behavior]
        self.send_response(200)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep away from the user's own folders, and return the folder of the data set."""
    monkeypatch.setenv("DLNOTES_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("DLNOTES_DATA", raising=False)
    monkeypatch.delenv("DLNOTES_DOWNLOAD", raising=False)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(fetch, "SYSTEM", tmp_path / "system")
    monkeypatch.setattr(Server, "asked", [], raising=False)
    return tmp_path / "cache" / "set"


@pytest.fixture
def served(address: str) -> Callable[..., File]:
    """Make the file that mirrors of such behaviors have."""
    return lambda *behaviors: replace(
        FILE, mirrors=tuple(f"{address}/{each}/" for each in behaviors)
    )


@pytest.fixture
def unreachable() -> File:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    return replace(FILE, mirrors=(f"http://127.0.0.1:{port}/",))


def put(folder: Path, packed: bytes = PACKED) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "numbers.gz").write_bytes(packed)
    return folder


def program(file: File, before: str = "") -> list[str]:
    """Return the command that finds a file in another process."""
    lines = f"""
import os
{before}
from dlnotes.lab.fetch import File, find
assert find("set", [{file!r}]).contents[0][:3] == {CONTENT[:3]!r}
"""
    return [sys.executable, "-W", "error", "-c", lines]


def test_a_download_is_kept_for_everybody_and_not_repeated(
    served: Callable[..., File], cache: Path
) -> None:
    file = served("good")

    first, second = find("set", [file]), find("set", [file])

    assert first == Found("download", f"{file.mirrors[0]}numbers.gz", (CONTENT,))
    assert second == Found("cache", str(cache), (CONTENT,))
    assert len(Server.asked) == 1
    assert [path.name for path in cache.iterdir()] == ["numbers.gz"]
    if sys.platform != "win32":
        assert (cache / "numbers.gz").stat().st_mode & 0o777 == 0o644


def test_the_nearest_place_that_has_it_is_the_one(
    served: Callable[..., File],
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DLNOTES_DATA", str(tmp_path / "data"))
    path, system = tmp_path / "path", tmp_path / "system" / "set"
    folders = [path, tmp_path / "data" / "set", tmp_path / "data", cache, system]
    for folder in folders:
        put(folder)

    found = [find("set", [served("good")], path=path)]
    for folder in folders[1:]:
        if folder == cache:
            monkeypatch.delenv("DLNOTES_DATA")
        found.append(find("set", [served("good")]))
        (folder / "numbers.gz").unlink()
    found.append(find("set", [served("good")]))

    kinds = ["path", "data folder", "data folder", "cache", "system", "download"]
    assert [each.kind for each in found] == kinds
    assert [each.place for each in found[:-1]] == list(map(str, folders))


@pytest.mark.parametrize("packed", [CONTENT, gzip.compress(CONTENT, 9, mtime=5)])
def test_a_file_may_be_packed_in_another_way_or_not_at_all(
    tmp_path: Path, packed: bytes
) -> None:
    put(tmp_path / "system" / "set", packed)

    assert find("set", [FILE]).contents == (CONTENT,)


def test_an_unpacked_file_need_not_be_called_packed(tmp_path: Path) -> None:
    (tmp_path / "numbers").write_bytes(CONTENT)

    assert find("set", [FILE], path=tmp_path).contents == (CONTENT,)


def test_all_files_come_from_one_place(tmp_path: Path, cache: Path) -> None:
    letters = b"abc"
    second = File("letters", hashlib.sha256(letters).hexdigest(), 3)
    put(cache)
    put(tmp_path / "system" / "set")
    (tmp_path / "system" / "set" / "letters").write_bytes(letters)

    assert find("set", [FILE, second]).kind == "system"


@pytest.mark.parametrize("size", [0, 1, 9, 5000, len(PACKED) - 4])
def test_a_cut_file_in_the_cache_is_replaced(
    served: Callable[..., File], cache: Path, size: int
) -> None:
    put(cache, PACKED[:size])

    with pytest.warns(UserWarning, match=r"ignored .*numbers\.gz, which is"):
        found = find("set", [served("good")])

    assert (found.kind, found.contents) == ("download", (CONTENT,))
    assert (cache / "numbers.gz").read_bytes() == PACKED


@pytest.mark.parametrize("place", ["cache", "system"])
@pytest.mark.parametrize(
    "packed",
    [OTHER, PACKED + b"more", CONTENT + b"\0", PACKED[:20] + b"\xff" * 9 + PACKED[29:]],
)
def test_what_is_not_the_file_is_passed_over(
    cache: Path, tmp_path: Path, place: str, packed: bytes
) -> None:
    put(cache if place == "cache" else tmp_path / "system" / "set", packed)

    with (
        pytest.warns(UserWarning, match="ignored"),
        pytest.raises(DatasetUnavailable, match=r"SHA-256|damaged"),
    ):
        find("set", [FILE], download=False)


@pytest.mark.parametrize("packed", [OTHER, PACKED[:-100]])
def test_what_the_caller_named_and_is_wrong_is_an_error(
    served: Callable[..., File],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    packed: bytes,
) -> None:
    put(tmp_path / "mine", packed)

    with pytest.raises(DatasetError, match=r"mine.numbers\.gz, which is"):
        find("set", [served("good")], path=tmp_path / "mine")
    monkeypatch.setenv("DLNOTES_DATA", str(tmp_path / "mine"))
    with pytest.raises(DatasetError, match=r"mine.numbers\.gz, which is"):
        find("set", [served("good")])
    assert not Server.asked


def test_what_the_caller_named_and_is_absent_is_an_error(
    served: Callable[..., File],
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put(cache)

    with pytest.raises(FileNotFoundError, match=r"mine has no numbers\.gz"):
        find("set", [served("good")], path=tmp_path / "mine")
    monkeypatch.setenv("DLNOTES_DATA", str(tmp_path / "mine"))
    with pytest.raises(FileNotFoundError) as caught:
        find("set", [served("good")])

    mine = tmp_path / "mine"
    assert str(caught.value) == (
        f"DLNOTES_DATA is {mine}, but {mine / 'set'} has no numbers.gz, "
        f"and {mine} has no numbers.gz"
    )
    assert not Server.asked


def test_a_tilde_is_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    for folder in ("named", "data", "kept/set"):
        put(tmp_path / folder)

    found = [find("set", [FILE], path="~/named")]
    monkeypatch.setenv("DLNOTES_CACHE", "~/kept")
    found.append(find("set", [FILE]))
    monkeypatch.setenv("DLNOTES_DATA", "~/data")
    found.append(find("set", [FILE]))

    assert [(each.kind, each.place) for each in found] == [
        ("path", str(tmp_path / "named")),
        ("cache", str(tmp_path / "kept" / "set")),
        ("data folder", str(tmp_path / "data")),
    ]


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Have no home folder, as a user without an entry in the system's list."""
    for variable in ("HOME", "USERPROFILE", "HOMEPATH", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.delenv("DLNOTES_CACHE")
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("homeless")
@pytest.mark.parametrize("named", [None, "~/cache"])
def test_without_a_home_the_other_places_are_tried(
    served: Callable[..., File],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    named: str | None,
) -> None:
    if named is not None:
        monkeypatch.setenv("DLNOTES_CACHE", named)

    with pytest.raises(DatasetUnavailable, match=r"there is no home folder, .*system"):
        find("set", [FILE], download=False)
    with pytest.warns(UserWarning, match="not kept: there is no home folder; DLNOTES_"):
        downloaded = find("set", [served("good")])
    put(tmp_path / "system" / "set")

    assert (downloaded.kind, downloaded.contents) == ("download", (CONTENT,))
    assert find("set", [FILE]).kind == "system"
    assert not (tmp_path / "~").exists()


def test_a_download_says_how_much_it_is(
    served: Callable[..., File], capsys: pytest.CaptureFixture[str]
) -> None:
    find("set", [served("cut-without-length", "good")])

    first, second = capsys.readouterr().err.splitlines()
    assert "downloading an unknown number of MB from http" in first
    assert f"downloading {len(PACKED) / 1e6:.1f} MB from http" in second
    assert second.endswith("/good/numbers.gz")


def test_on_a_terminal_a_download_shows_how_far_it_is(
    served: Callable[..., File],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)

    find("set", [served("good")])

    assert "0%|" in capsys.readouterr().err


def test_what_cannot_be_read_is_said_to_be_so(tmp_path: Path) -> None:
    (tmp_path / "numbers.gz").mkdir()

    with pytest.raises(DatasetError, match=r"numbers\.gz, which cannot be read"):
        find("set", [FILE], path=tmp_path)


BAD = ["cut", "cut-without-length", "portal", "404", "repacked", "other", "unpacked"]
BAD += ["endless"]


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_mirror_gives_way_to_the_next(
    served: Callable[..., File], bad: str
) -> None:
    found = find("set", [served(bad, "good")])

    assert (found.kind, found.contents) == ("download", (CONTENT,))
    assert "/good/" in found.place


@pytest.mark.parametrize("bad", BAD)
def test_nothing_bad_is_kept_and_each_place_is_named(
    served: Callable[..., File], cache: Path, bad: str
) -> None:
    with pytest.raises(DatasetUnavailable) as caught:
        find("set", [served(bad)])

    assert f"/{bad}/numbers.gz: " in str(caught.value)
    assert f"{cache} has no numbers.gz; " in str(caught.value)
    assert f"{fetch.SYSTEM / 'set'} has no numbers.gz; " in str(caught.value)
    assert not cache.exists()


def test_a_broken_connection_is_told_from_another_file(
    served: Callable[..., File],
) -> None:
    with pytest.raises(DatasetUnavailable, match=f"5,000 of {len(PACKED):,} bytes"):
        find("set", [served("cut")])


def test_the_content_of_a_download_counts_and_not_only_its_packing(
    served: Callable[..., File], cache: Path
) -> None:
    misled = replace(served("other"), packed_sha256=hashlib.sha256(OTHER).hexdigest())

    with pytest.raises(DatasetUnavailable, match="is not the published file"):
        find("set", [misled])
    assert not cache.exists()


def test_a_silent_mirror_is_not_waited_for(
    served: Callable[..., File], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "TIMEOUT", 0.2)
    started = time.monotonic()

    assert find("set", [served("silent", "good")]).kind == "download"
    assert time.monotonic() - started < 8


def test_without_a_network_it_takes_no_time_to_say_so(unreachable: File) -> None:
    started = time.monotonic()

    with pytest.raises(DatasetUnavailable, match=r"http://127\.0\.0\.1:\d+/numbers"):
        find("set", [unreachable])
    assert time.monotonic() - started < 3


@pytest.mark.parametrize("word", ["0", "false", "False", "no", "OFF", " off "])
def test_downloading_is_off_when_the_environment_or_the_caller_says_so(
    served: Callable[..., File], monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    with pytest.raises(DatasetUnavailable, match="downloading is off"):
        find("set", [served("good")], download=False)
    monkeypatch.setenv("DLNOTES_DOWNLOAD", word)
    with pytest.raises(DatasetUnavailable, match="downloading is off"):
        find("set", [served("good")])

    assert not Server.asked
    assert find("set", [served("good")], download=True).kind == "download"


@pytest.mark.parametrize("word", ["", "1", "true", "Yes", "on"])
def test_downloading_is_on_when_the_environment_says_so(
    served: Callable[..., File], monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    monkeypatch.setenv("DLNOTES_DOWNLOAD", word)

    assert find("set", [served("good")]).kind == "download"


def test_a_switch_that_says_neither_is_refused(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(cache)
    monkeypatch.setenv("DLNOTES_DOWNLOAD", "never")

    with pytest.raises(
        ValueError,
        match=r"DLNOTES_DOWNLOAD must be one of 1, true, yes, on, 0, .*, got never",
    ):
        find("set", [FILE])


def test_where_the_cache_cannot_be_written_the_download_is_used_all_the_same(
    served: Callable[..., File], tmp_path: Path
) -> None:
    (tmp_path / "cache").write_bytes(b"a file, where a folder would be made")

    with pytest.warns(UserWarning, match="downloaded, but not kept") as warned:
        found = find("set", [served("good"), served("good")])

    assert (found.kind, found.contents) == ("download", (CONTENT, CONTENT))
    assert len(warned) == 1


def test_what_the_cache_has_of_several_files_is_not_downloaded_again(
    served: Callable[..., File], cache: Path
) -> None:
    put(cache)
    absent = replace(FILE, name="more")

    with pytest.raises(DatasetUnavailable):
        find("set", [served("good"), absent])

    assert not Server.asked


def test_processes_that_download_at_once_do_not_disturb_each_other(
    served: Callable[..., File], cache: Path
) -> None:
    processes = [
        subprocess.Popen(program(served("good")), stderr=subprocess.PIPE, text=True)
        for _ in range(6)
    ]

    for process in processes:
        _, complaint = process.communicate()
        assert process.returncode == 0, complaint
    assert [path.name for path in cache.iterdir()] == ["numbers.gz"]
    assert (cache / "numbers.gz").read_bytes() == PACKED


def test_a_process_killed_while_it_writes_leaves_nothing_to_be_taken_for_the_file(
    served: Callable[..., File], cache: Path
) -> None:
    killed = program(served("good"), before="os.fsync = lambda _: os._exit(9)")

    assert subprocess.run(killed, check=False).returncode == 9

    (left,) = cache.iterdir()
    assert left.name.startswith(".numbers.gz.")
    assert left.suffix == ".part"
    assert find("set", [served("good")]).kind == "download"


def test_what_killed_processes_left_is_removed_after_a_day(
    served: Callable[..., File], cache: Path
) -> None:
    cache.mkdir(parents=True)
    for name, age in [
        (".numbers.gz.old.part", 90_000),
        (".numbers.gz.new.part", 80_000),
    ]:
        (cache / name).write_bytes(b"")
        os.utime(cache / name, (time.time() - age,) * 2)

    find("set", [served("good")])

    names = {path.name for path in cache.iterdir()}
    assert names == {"numbers.gz", ".numbers.gz.new.part"}


def test_what_another_process_finishes_during_the_removal_is_no_obstacle(
    served: Callable[..., File], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = cache / ".numbers.gz.gone.part"
    monkeypatch.setattr(Path, "glob", lambda *_arguments: iter([gone]))

    find("set", [served("good")])

    assert (cache / "numbers.gz").read_bytes() == PACKED


def test_who_has_the_old_file_open_goes_on_reading_it(
    served: Callable[..., File], cache: Path
) -> None:
    put(cache, PACKED[:99])

    with (cache / "numbers.gz").open("rb") as reader:
        with pytest.warns(UserWarning, match="ignored"):
            find("set", [served("good")])
        assert reader.read() == PACKED[:99]
    assert (cache / "numbers.gz").read_bytes() == PACKED


@pytest.mark.parametrize("there", [True, False])
def test_a_file_that_windows_will_not_replace_is_left(
    served: Callable[..., File],
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    there: bool,  # noqa: FBT001
) -> None:
    def refuse(_from: Path, target: Path) -> None:
        if there:
            put(target.parent)
        raise PermissionError("in use")

    monkeypatch.setattr(Path, "replace", refuse)

    if there:
        found = find("set", [served("good")])
    else:
        with pytest.warns(UserWarning, match="not kept: in use"):
            found = find("set", [served("good")])

    assert found.contents == (CONTENT,)
    assert [path.name for path in cache.iterdir()] == ["numbers.gz"] * there


@pytest.mark.parametrize(
    ("platform", "variable", "expected"),
    [
        ("linux", "XDG_CACHE_HOME", "there/dlnotes"),
        ("linux", None, "home/.cache/dlnotes"),
        ("darwin", None, "home/Library/Caches/dlnotes"),
        ("freebsd14", None, "home/.cache/dlnotes"),
        ("win32", "LOCALAPPDATA", "there/dlnotes/cache"),
        ("win32", None, "home/AppData/Local/dlnotes/cache"),
        ("linux", "DLNOTES_CACHE", "there"),
        ("win32", "DLNOTES_CACHE", "there"),
    ],
)
def test_the_cache_is_where_the_platform_has_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    platform: str,
    variable: str | None,
    expected: str,
) -> None:
    for each in ("DLNOTES_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(each, raising=False)
    if variable is not None:
        monkeypatch.setenv(variable, str(tmp_path / "there"))
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))

    assert fetch.cache() == tmp_path / expected
