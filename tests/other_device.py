"""A device that only pretends not to be the CPU, whose tensors do not mix with its own.

It shows that nothing is made on the CPU on the way, where no other device is at hand.
"""

from functools import partial
from typing import Any

import torch
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten

OTHER = torch.device("lazy", 0)  # for which PyTorch has a name but no arithmetic


def _operate(
    _where: Any, operation: Any, _types: Any, arguments: Any = (), settings: Any = None
) -> Any:
    """Compute on the CPU, whatever the tensors say of where they are."""
    settings = dict(settings or {})
    leaves = pytree.tree_leaves((arguments, settings))
    tensors = [each for each in leaves if isinstance(each, torch.Tensor)]
    there = {id(each.numbers): each for each in tensors if isinstance(each, _Elsewhere)}
    copies = operation.overloadpacket in (aten._to_copy, aten.copy_)
    if there and not copies and any(each.ndim for each in tensors if each.is_cpu):
        raise RuntimeError(f"{operation} was given tensors of two devices")
    to = OTHER if there else torch.device("cpu")
    if "device" in settings:
        to, settings["device"] = torch.device(settings["device"] or to), None
    elif copies:
        to = arguments[0].device
    numbers = partial(pytree.tree_map_only, _Elsewhere, lambda each: each.numbers)
    result = operation(*numbers(arguments), **numbers(settings))
    if to.type == "cpu":
        return result
    return pytree.tree_map_only(
        torch.Tensor,
        lambda each: there[id(each)] if id(each) in there else _Elsewhere(each),
        result,
    )


class _Elsewhere(torch.Tensor):
    """A tensor that is not on the CPU, as far as anyone can tell."""

    numbers: torch.Tensor
    __torch_dispatch__ = classmethod(_operate)  # type: ignore[assignment]

    def __new__(cls, numbers: torch.Tensor) -> Any:
        make: Any = torch.Tensor._make_wrapper_subclass
        layout = numbers.size(), numbers.stride(), numbers.storage_offset()
        there = make(cls, *layout, dtype=numbers.dtype, device=OTHER)
        there.numbers = numbers
        return there


class OtherDevice(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Where there is one more device, whose tensors do not mix with the CPU's."""

    __torch_dispatch__ = _operate
