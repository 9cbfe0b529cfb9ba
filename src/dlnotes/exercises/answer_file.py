"""Check the answer in a file, in a process of its own that may hang or end.

The process runs the file as ``python FILE`` does, checks the function that it defines,
and leaves its feedback in another file: what ends it before then is no right answer.
"""

import faulthandler
import json
import os
import re
import runpy
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TextIO

from dlnotes.exercises import wording
from dlnotes.exercises.catalog import named
from dlnotes.exercises.checking import check
from dlnotes.exercises.exercise import Feedback

SECONDS = 60.0
PATIENCE = 3.0  # seconds until the reader is told that it goes on
GRACE = 5.0  # more seconds, for a process that does not end itself
NO_ANSWER = 2  # the exit status if there is no function to judge


class NoAnswerError(Exception):
    """A file that defines no function to check; it says why in a sentence."""


def check_file(
    name: str,
    file: Path,
    *,
    seconds: float = SECONDS,
    progress: Callable[[str], None] = lambda _text: None,
) -> Feedback:
    """Check the answer in a file.

    Parameters
    ----------
    name
        The exercise.
    file
        A Python file that defines the function.
    seconds
        How long it may take.
    progress
        Is called with a sentence if it takes long.

    Returns
    -------
    Feedback
        Whether the answer is right, and what to tell its author.

    Raises
    ------
    NoAnswerError
        If the file cannot be run or defines no such function.
    """
    if not file.is_file():
        raise NoAnswerError(f"There is no file {file}.")
    if file.suffix == ".ipynb":
        raise NoAnswerError(
            f"{file} is a notebook. Check the function in a cell of it: "
            f'from dlnotes.exercises import check; check("{name}", your_function)'
        )
    with TemporaryDirectory() as folder:
        arguments = [name, str(file), folder, str(seconds)]
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__, *arguments],
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C ends it by way of this process
        )
        try:
            status = _wait(process, seconds, progress)
        finally:
            _end(process)
        return _feedback(Path(folder), file, status, seconds)


def _wait(
    process: subprocess.Popen[bytes], seconds: float, progress: Callable[[str], None]
) -> int:
    """Wait for a process, and say so if it takes long."""
    try:
        return process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        progress(f"Trying the answer, for {seconds:g} seconds at most ...")
    try:
        return process.wait(max(0.0, seconds - PATIENCE) + GRACE)
    except subprocess.TimeoutExpired:
        return 1


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process, if it still runs, with those that it started."""
    if process.poll() is not None:
        return
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


def _feedback(folder: Path, file: Path, status: int, seconds: float) -> Feedback:
    """Read what a process left behind, or say how it ended without that."""
    left = folder / "feedback.json"
    if left.exists():
        read = json.loads(left.read_text(encoding="utf-8"))
        if "refused" in read:
            raise NoAnswerError(read["refused"])
        return Feedback(**read)
    note = folder / "stuck"
    stuck = note.read_text(encoding="utf-8") if note.exists() else ""
    if stuck.startswith("Timeout"):
        frames = re.findall(r'File "(.*)", line (\d+)', stuck)
        lines = [int(at) for name, at in frames if Path(name).name == file.name]
        at = wording.line(str(file), lines[0]) if lines else ""
        return Feedback(
            right=False, message=f"It was still running after {seconds:g} seconds{at}."
        )
    how = f"signal {-status}" if status < 0 else f"exit status {status}"
    return Feedback(
        right=False, message=f"It ends the program ({how}) before it is judged."
    )


def main(name: str, file: Path, folder: Path, seconds: float) -> None:
    """Check the answer in a file, leave the feedback in a folder, and end.

    Parameters
    ----------
    name
        The exercise.
    file
        A Python file that defines the function.
    folder
        Where to leave the feedback, or the line that runs when time is up.
    seconds
        How long it may take.
    """
    exercise = named(name)
    with (folder / "stuck").open("w", encoding="utf-8") as stuck:
        _limit(seconds, stuck)
        try:
            answer = _function(file, exercise.solution.__name__)
            left = asdict(check(exercise, answer))
        except NoAnswerError as refused:
            left = {"refused": str(refused)}
        faulthandler.cancel_dump_traceback_later()
    partial = folder / "partial.json"
    partial.write_text(json.dumps(left), encoding="utf-8")
    partial.replace(folder / "feedback.json")


def _limit(seconds: float, stuck: TextIO) -> None:
    """Note the line that runs after some seconds, and end the process."""
    faulthandler.dump_traceback_later(seconds, exit=True, file=stuck)


def _function(file: Path, wanted: str) -> Callable[..., object]:
    """Run a file as ``python FILE`` does, and return a function that it defines."""
    sys.argv[:] = [str(file)]
    sys.path.insert(0, str(file.resolve().parent))
    try:
        found = runpy.run_path(str(file), run_name="__main__").get(wanted)
    except BaseException as error:  # whatever a reader's file may raise, or exit
        raise NoAnswerError(_why(error, file)) from None
    if not callable(found):
        raise NoAnswerError(f"{file} defines no function {wanted}.")
    return found


def _why(error: BaseException, file: Path) -> str:
    """Say why a file cannot be run."""
    if isinstance(error, SyntaxError) and error.lineno is not None:
        name = Path(error.filename or file).name
        text = (error.text or "").strip()
        said = f"in line {error.lineno} of {name}, `{text}`: {error.msg}"
        return f"{file} cannot be run. {type(error).__name__} {said}."
    where = wording.line_of(error, str(file))
    if isinstance(error, SystemExit):
        return f"{file} ends the program{where}: nothing of it can be checked."
    return f"{file} cannot be run. It fails{where}: {wording.named(error)}."


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), float(sys.argv[4]))
    sys.stdout.flush()
    os._exit(0)  # whatever threads and exit handlers the file may have left behind
