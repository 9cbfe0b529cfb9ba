"""How the numbers of images lie in memory."""

import torch
from torch import Tensor
from torch._C._functorch import is_batchedtensor


def match_memory_format(Y: Tensor, *given: Tensor) -> Tensor:
    """Put numbers one after the other in memory, or channels last as some came so.

    Under :func:`torch.func.vmap` nobody can tell how they came.
    """
    if any(is_batchedtensor(each) for each in (Y, *given)):
        return Y.contiguous()
    last = torch.channels_last
    channels_last = any(
        each.is_contiguous(memory_format=last) and not each.is_contiguous()
        for each in given
    )
    wanted = last if channels_last else torch.contiguous_format
    return Y.contiguous(memory_format=wanted)
