"""Kernels are forks of a process that has libraries loaded, and are kernels."""

import os
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import nbclient
import nbformat
import pytest
from nbclient.exceptions import DeadKernelError

import kernels

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="nothing is forked")


@pytest.fixture(scope="module", autouse=True)
def _server() -> Iterator[None]:
    stops: list[Any] = []
    app: Any = SimpleNamespace(connect=lambda _event, stop: stops.append(stop))
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("JUPYTER_PATH", str(kernels.SERVER.parents[2]))
        kernels.start(app)
        yield
        for stop in stops:
            stop(app, None)
    assert "DLNOTES_KERNELS" not in os.environ


def shown(code: str) -> list[Any]:
    """Return what a cell shows in a kernel of its own."""
    cell = nbformat.v4.new_code_cell(code)  # type: ignore[no-untyped-call]
    kernel = {"name": "python3", "display_name": "Python 3"}
    page = nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": kernel})  # type: ignore[no-untyped-call]
    nbclient.execute(page)
    return [output["data"] for output in cell.outputs]


def test_a_kernel_has_libraries_and_nothing_of_the_one_before() -> None:
    asks = "import sys; 'torch' in sys.modules, 'wave' in sys.modules, 'x' in globals()"

    before = shown(f"import wave\nx = 1\n{asks}")
    after = shown(asks)

    assert before[0]["text/plain"] == "(True, True, True)"
    assert after[0]["text/plain"] == "(True, False, False)"


def test_a_kernel_shows_a_figure() -> None:
    (figure,) = shown("import matplotlib.pyplot as plt\nplt.plot([1, 2]);")

    assert "image/svg+xml" in figure


def test_a_kernel_that_dies_is_an_error() -> None:
    with pytest.raises(DeadKernelError):
        shown("import os\nos._exit(1)")
