"""Where PyTorch computes."""

import atexit
import os
from argparse import ArgumentParser

import torch
import torch.distributed.nn  # later, its functions would keep the group as a default
from torch import distributed


def device(name: str | None = None) -> torch.device:
    """Choose a device, and join the processes that ``torchrun`` has started, if any.

    Parameters
    ----------
    name
        The device, as PyTorch names it.  If not given it is the one that
        ``DLNOTES_DEVICE`` names in the environment, else an accelerator, else the CPU.

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
    >>> device("cpu")
    device(type='cpu')
    >>> device("abacus")
    Traceback (most recent call last):
        ...
    ValueError: name must be a device that is here (cpu...), got abacus
    """
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    kind = "cpu" if accelerator is None else accelerator.type
    here = [f"{kind}:{k}" for k in range(torch.accelerator.device_count())]
    source = "name" if name else "DLNOTES_DEVICE"
    wanted = name or os.environ.get("DLNOTES_DEVICE") or kind
    if wanted not in ("cpu", "cpu:0", kind, *here):
        known = ", ".join(["cpu", *here])
        raise ValueError(
            f"{source} must be a device that is here ({known}), got {wanted}"
        )
    if wanted == kind and here:
        wanted = here[int(os.environ.get("LOCAL_RANK", "0")) % len(here)]
    chosen = torch.device("cpu" if wanted == "cpu:0" else wanted)
    if chosen.type != "cpu":
        torch.accelerator.set_device_index(chosen.index)
    if distributed.is_torchelastic_launched() and not distributed.is_initialized():
        distributed.init_process_group(
            device_id=None if chosen.type == "cpu" else chosen
        )
        atexit.register(_leave)
    return chosen


def add_device_argument(parser: ArgumentParser) -> None:
    """Let the command line of a program name the device.

    Parameters
    ----------
    parser
        The program's own parser, which gets an option ``--device``.

    Examples
    --------
    >>> from argparse import ArgumentParser
    >>> from dlnotes.lab.device import add_device_argument, device
    >>> parser = ArgumentParser()
    >>> add_device_argument(parser)
    >>> device(parser.parse_args(["--device", "cpu"]).device)
    device(type='cpu')
    """
    parser.add_argument(
        "--device",
        metavar="NAME",
        help="where PyTorch computes, such as cpu or cuda:0; if not given, "
        "as DLNOTES_DEVICE says, else an accelerator, else the CPU",
    )


def _leave() -> None:
    """End the threads of the group, which crash if they outlive the interpreter."""
    if distributed.is_initialized():
        distributed.destroy_process_group()
