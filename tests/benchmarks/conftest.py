"""What is kept of a run: how long each took, and where and with what that was."""

import time
from importlib.metadata import version
from typing import Any

import pytest

from dlnotes.claims import ledger


@pytest.hookimpl(optionalhook=True)  # there is no such hook in the tests
def pytest_benchmark_update_json(output_json: dict[str, Any]) -> None:
    times = [
        {
            "what": each["group"],
            "engine": each["params"]["engine"],
            "milliseconds": [
                round(1000 * each["stats"][name], 4) for name in ("q1", "median", "q3")
            ],
            "rounds": each["stats"]["rounds"],
        }
        for each in output_json["benchmarks"]
    ]
    output_json.clear()
    output_json |= {
        "date": time.strftime("%Y-%m-%d"),
        "device": ledger.processor(),
        "versions": {
            name: version(name).partition("+")[0] for name in ("numpy", "torch")
        },
        "times": sorted(times, key=lambda each: (each["what"], each["engine"])),
    }
