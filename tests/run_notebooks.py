"""Run the notebook of every section from top to bottom, as a reader would.

``python tests/run_notebooks.py _build/html``, where ``dlnotes[lab]`` and IPython are
installed and nothing of the book's tools.  A process on each core runs them; where it
can be forked safely, what most of them import is loaded once.  Each has names, figures
and random numbers of its own.
"""

import io
import json
import multiprocessing
import os
import sys
import time
import traceback
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import Any

INSTALL = "%pip install"
LOADED = ("matplotlib.pyplot", "sklearn.datasets", "torch")


def cells(path: Path) -> Iterator[str]:
    """Yield the code of a notebook, less the cell that installs the book."""
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        code = "".join(cell["source"])
        if cell["cell_type"] == "code" and INSTALL not in code:
            yield code


def run(path: Path) -> str:
    """Return the error of the first cell that has one; '' if all of them ran."""
    import matplotlib.pyplot as plt
    import numpy as np

    from dlnotes.lab.data import SubsetWarning

    names: dict[str, Any] = {"__name__": "__main__"}
    np.random.seed(0)  # noqa: NPY002  # for a cell that forgets its generator
    printed = redirect_stdout(io.StringIO())
    with warnings.catch_warnings(), plt.rc_context(), printed:
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", SubsetWarning)  # any part of the data will do
        try:
            for number, code in enumerate(cells(path), 1):
                exec(compile(code, f"{path.name}, cell {number}", "exec"), names)
                plt.close("all")  # as Jupyter does
        except (Exception, SystemExit):
            return traceback.format_exc()
    return ""


def timed(path: Path) -> tuple[str, float]:
    """Return the error of a notebook, and how many seconds it took."""
    start = time.perf_counter()
    return run(path), time.perf_counter() - start


def main(root: Path) -> int:
    """Run all notebooks; say how long each took, and what was wrong."""
    os.environ.setdefault("DLNOTES_DOWNLOAD", "0")
    os.environ.setdefault("MPLBACKEND", "agg")
    found = sorted(Path(root, "_notebooks").rglob("*.ipynb"))
    errors, whole = 0, time.perf_counter()
    forks = sys.platform == "linux"
    if forks:
        [*map(import_module, LOADED)]
    context = multiprocessing.get_context("fork" if forks else "spawn")
    with ProcessPoolExecutor(os.cpu_count(), context) as pool:
        for path, (error, took) in zip(found, pool.map(timed, found), strict=True):
            _say(f"{path.relative_to(root)}: {error or f'{took:.1f} s'}")
            errors += bool(error)
    if not found:
        _say(f"{root} has no notebook: build the book first, nox -s docs")
    _say(f"{len(found)} notebooks, {time.perf_counter() - whole:.0f} s")
    return errors or not found


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
