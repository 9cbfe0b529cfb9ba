"""Hold the scripts of the gallery to a budget of processor time.

Processor time is counted, not time, because others may use the machine; and it is
divided by how much longer than on the machine of the budget a small piece of work takes
just before and just after the script, so a slower machine may take longer.  On a faster
one the budget stays.  What most scripts load is loaded before and not counted: where
nothing has been compiled yet, it takes as long as a script.
"""

import importlib
import json
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.typing import ExtensionMetadata

from caches import GALLERY, KEPT

LOGGER = logging.getLogger(__name__)
BUDGET = 20.0  # seconds of one core of the machine on which WORK was measured
WORK = 0.052  # seconds there: AMD EPYC, one thread, nothing else running

_began: dict[str, tuple[float, float, float]] = {}


def work() -> float:
    """Return the seconds of processor time of what a script does, in small."""
    start = time.process_time()
    images = np.full((64, 16, 56, 56), 0.01, dtype=np.float32)  # more than a cache has
    for k in range(3):
        patches = np.ascontiguousarray(images[:, :, k:, k:].transpose(0, 2, 3, 1))
        np.maximum(patches.reshape(-1, 16) @ np.ones((16, 16), np.float32), 0)
    sum(k * k for k in range(100_000))
    return time.process_time() - start


def slowness() -> float:
    """Return how many times longer than planned this machine takes, at least 1."""
    return max(1.0, median(work() for _ in range(7)) / WORK)


def load() -> None:
    """Load what most scripts load, so that the first does not pay for the others."""
    for name in ("matplotlib.pyplot", "torch._dynamo", "dlnotes.lab.fit"):
        importlib.import_module(name)


def clock(_config: dict[str, Any], script: str | None, when: str) -> None:
    """Measure a script; sphinx-gallery calls this with its name before and after."""
    if script is None:
        return
    if when == "before":
        load()
        _began[script] = slowness(), time.perf_counter(), time.process_time()
    elif script in _began:
        slow, wall, cpu = _began.pop(script)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        slow = (slow + slowness()) / 2
        times = {"cpu": cpu, "seconds": wall, "slowness": slow}
        KEPT.mkdir(parents=True, exist_ok=True)
        record(Path(script)).write_text(json.dumps(times), "utf-8")


def record(script: Path) -> Path:
    """Return the file for what is measured of a script.

    sphinx-gallery names a script without its folder, so no two may have one name.
    """
    return KEPT / f"{script.stem}.json"


def measured(script: Path) -> dict[str, float] | None:
    """Return what was measured when a script last ran."""
    path = record(script)
    if not path.exists():
        return None
    times: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))
    return times


def report(_app: Sphinx) -> None:
    """Warn of each script that is over the budget, or that was not held to it."""
    for script in sorted(GALLERY.rglob("*.py")):
        times = measured(script)
        if times is None:
            untimed = "it was not timed; it is run again without _build/gallery"
            LOGGER.warning(untimed, location=str(script))
        elif (took := times["cpu"] / times["slowness"]) > BUDGET:
            LOGGER.warning(
                "it takes %.0f s of processor time, and %.0f are allowed "
                "(%.0f s here, on a machine %.1f times slower than the budget's)",
                *(took, BUDGET, times["cpu"], times["slowness"]),
                location=str(script),
            )


def setup(app: Sphinx) -> ExtensionMetadata:
    """Look at the times when sphinx-gallery, whose priority is 500, has run."""
    app.connect("builder-inited", report, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
