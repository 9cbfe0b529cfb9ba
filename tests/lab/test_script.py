"""A script has the options that it asks for, and no others; a notebook has none."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = '''
"""Does it count sheep?"""

from dlnotes.lab.script import command_line

print(vars(command_line(__doc__, device={device})))
'''


def run(folder: Path, *arguments: str, device: bool = False) -> tuple[int, str]:
    """Run the script, and return its status and what it says."""
    path = folder / "sheep.py"
    path.write_text(SCRIPT.format(device=device), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, path, *arguments], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_a_script_takes_the_device_if_it_asks_for_it(tmp_path: Path) -> None:
    assert run(tmp_path, "--device", "cpu", device=True) == (0, "{'device': 'cpu'}\n")
    assert run(tmp_path) == (0, "{}\n")


@pytest.mark.parametrize("argument", ["--device=cpu", "cpu", "--devcie=cpu"])
def test_a_script_refuses_what_it_does_not_take(tmp_path: Path, argument: str) -> None:
    status, said = run(tmp_path, argument)

    assert status == 2
    assert f"unrecognized arguments: {argument}" in said


def test_help_says_what_the_script_is_about(tmp_path: Path) -> None:
    status, said = run(tmp_path, "--help", device=True)

    assert status == 0
    assert "Does it count sheep?" in said
    assert "--device NAME" in said


def test_a_notebook_has_no_command_line() -> None:
    kernel = f"import sys; sys.argv = ['launcher.py', '-f', 'k.json']\n{SCRIPT}"
    program = kernel.format(device=True)

    said = subprocess.check_output([sys.executable, "-c", program], text=True)

    assert said == "{'device': None}\n"
