"""Where PyTorch computes."""

import argparse
import atexit
import gc
import os
from collections.abc import Sequence

import torch
import torch.distributed.nn  # later, its functions would keep the group as a default
from torch import distributed


def device(arguments: Sequence[str] | None = None) -> torch.device:
    """Choose a device, and join the processes that ``torchrun`` has started, if any.

    Parameters
    ----------
    arguments
        The command line, where ``--device`` is looked for; the program's own if not
        given.  Next comes ``DLNOTES_DEVICE`` in the environment, then an accelerator,
        then the CPU.

    Returns
    -------
    device
        The device; where ``torchrun`` started several processes, each has its own.

    Raises
    ------
    ValueError
        If there is no such device here.

    Examples
    --------
    >>> from dlnotes.lab.device import device
    >>> device(["--device", "cpu"])
    device(type='cpu')
    >>> device(["--device", "abacus"])
    Traceback (most recent call last):
        ...
    ValueError: there is no device abacus here; there is cpu...
    """
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--device", default=os.environ.get("DLNOTES_DEVICE"))
    wanted, _others = parser.parse_known_args(arguments)
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    kind = "cpu" if accelerator is None else accelerator.type
    here = [f"{kind}:{k}" for k in range(torch.accelerator.device_count())]
    rank = int(os.environ.get("LOCAL_RANK", "0"))
    name = wanted.device or kind
    if name not in ("cpu", kind, *here):
        known = ", ".join(["cpu", *here])
        raise ValueError(f"there is no device {name} here; there is {known}")
    if name == kind and here:
        name = here[rank % len(here)]
    chosen = torch.device(name)
    if chosen.type != "cpu":
        torch.accelerator.set_device_index(chosen.index)
    if distributed.is_torchelastic_launched() and not distributed.is_initialized():
        distributed.init_process_group(
            device_id=None if chosen.type == "cpu" else chosen
        )
        atexit.register(_leave)
    return chosen


def _leave() -> None:
    """End the threads of the group, which crash if they outlive the interpreter."""
    gc.collect()  # of the models that were wrapped for the group
    if distributed.is_initialized():
        distributed.destroy_process_group()
