"""Calls whose operations are recorded, to be repeated for other numbers."""

from typing import Any

from dlnotes.arrays import array_namespace

__all__ = ["is_traced"]


def is_traced(array: Any) -> bool:
    """Tell whether PyTorch is compiling, exporting or tracing the call.

    What depends on the numbers in a tensor, or on how many instances a batch has,
    would then be recorded for these alone.

    Parameters
    ----------
    array
        An array that the call was given.

    Returns
    -------
    traced
        Whether it is so; never for another library.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnotes.tracing import is_traced
    >>> is_traced(np.ones(3))
    False
    """
    xp = array_namespace(array)
    if not hasattr(xp, "compiler"):
        return False
    return bool(xp.compiler.is_compiling() or xp.jit.is_tracing())
