"""How the numbers of images lie in memory."""

import torch
from torch import Tensor


def match_memory_format(Y: Tensor, *given: Tensor) -> Tensor:
    """Put numbers one after the other in memory, or channels last as some came so."""
    last = torch.channels_last
    channels_last = any(
        each.is_contiguous(memory_format=last) and not each.is_contiguous()
        for each in given
    )
    wanted = last if channels_last else torch.contiguous_format
    return Y.contiguous(memory_format=wanted)
