"""What becomes of an answer in a file, which runs as by ``python FILE``."""

import json
from pathlib import Path

import pytest

from dlnotes.exercises.answer_file import NoAnswerError, check_file

NAME = "write-networks-rectifiers-leaky-relu"
RIGHT = """import numpy as np
def leaky_relu(z, *, alpha):
    return np.where(z > 0, z, alpha * z)
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "answer.py"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(RIGHT, id="plain"),
        pytest.param("from helper import leaky_relu", id="neighbor"),
        pytest.param(f"{RIGHT}\nassert __name__ == '__main__'", id="name"),
        pytest.param(f"import sys\n{RIGHT}\nassert len(sys.argv) == 1", id="arguments"),
        pytest.param(f"{RIGHT}\nprint('hello')", id="prints"),
        pytest.param(
            f"import atexit, os\n{RIGHT}\natexit.register(os._exit, 3)", id="exit"
        ),
        pytest.param(
            f"import threading, time\n{RIGHT}\n"
            "threading.Thread(target=time.sleep, args=[99]).start()",
            id="thread",
        ),
    ],
)
def test_a_right_answer_is_right_whatever_else_its_file_does(
    tmp_path: Path, text: str
) -> None:
    (tmp_path / "helper.py").write_text(RIGHT, encoding="utf-8")

    assert check_file(NAME, written(tmp_path, text)).right


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("import sys; sys.exit(0)", "It ends the program in line 2 of answer.py"),
        ("raise SystemExit", "It ends the program in line 2 of answer.py"),
        ("import os; os._exit(0)", "It ends the program (exit status 0) before it is"),
        ("import os; os.abort()", "It ends the program ("),
        ("raise KeyboardInterrupt", "It ends the program ("),
        (
            "return input()",
            "It fails in line 2 of answer.py, `return input()`: EOFError",
        ),
        ("return zz", "`return zz`: NameError: name 'zz' is not defined."),
    ],
)
def test_an_answer_that_ends_the_process_is_wrong(
    tmp_path: Path, body: str, message: str
) -> None:
    file = written(tmp_path, f"def leaky_relu(z, *, alpha):\n    {body}\n")

    feedback = check_file(NAME, file)

    assert not feedback.right
    assert message in feedback.message


def test_an_endless_loop_is_ended_and_its_line_is_named(tmp_path: Path) -> None:
    said: list[str] = []
    body = "    z = z + 1\n    while True:\n        z = z * 1\n"
    file = written(tmp_path, f"def leaky_relu(z, *, alpha):\n{body}")

    feedback = check_file(NAME, file, seconds=5, progress=said.append)

    assert not feedback.right
    assert "It was still running after 5 seconds in line" in feedback.message
    assert "of answer.py, `" in feedback.message
    assert said == ["Trying the answer, for 5 seconds at most ..."]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "answer.py defines no function leaky_relu."),
        ("leaky_relu = 3", "answer.py defines no function leaky_relu."),
        ("x = 1\n1 / 0", "It fails in line 2 of answer.py, `1 / 0`: ZeroDivisionError"),
        ("def leaky_relu(", "SyntaxError in line 1 of answer.py, `def leaky_relu(`"),
        (f"{RIGHT}\nraise SystemExit(0)", "ends the program in line 5 of answer.py"),
        (f"{RIGHT}\nexit()", "ends the program in line 5 of answer.py"),
        ("import broken", "SyntaxError in line 2 of broken.py, `x = (`"),
        ("import nowhere", "ModuleNotFoundError: No module named 'nowhere'"),
        ("x = '\0'", "cannot be run."),
    ],
    ids=range(9),
)
def test_a_file_without_an_answer_says_why(
    tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "broken.py").write_text("\nx = (", encoding="utf-8")

    with pytest.raises(NoAnswerError) as refused:
        check_file(NAME, written(tmp_path, text))

    assert message in str(refused.value)


def test_a_notebook_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    notebook = tmp_path / "answer.ipynb"
    notebook.write_text(json.dumps({"cells": []}), encoding="utf-8")

    with pytest.raises(NoAnswerError, match=r"is a notebook\. Check the function in a"):
        check_file(NAME, notebook)
    with pytest.raises(NoAnswerError, match=r"There is no file .*gone\.py"):
        check_file(NAME, tmp_path / "gone.py")
