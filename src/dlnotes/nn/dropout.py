"""Layers that drop some of their input in training."""

import torch
from torch import Tensor

from dlnotes.nn.errors import with_pytorch_errors
from dlnotes.nn.precision import without_autocast
from dlnotes.training.dropout import apply_mask


class Dropout(torch.nn.Dropout):
    """:func:`dlnotes.training.dropout.apply_mask`; the drop-in for PyTorch's.

    PyTorch draws the mask, so both drop the same with the same seed.

    Examples
    --------
    What is kept with probability 1/4 counts four times, and in evaluation mode all is
    kept:

    >>> import torch
    >>> from dlnotes.nn import Dropout
    >>> dropout = Dropout(0.75)
    >>> dropout(torch.ones(1000)).unique()
    tensor([0., 4.])
    >>> dropout.eval()(torch.ones(2))
    tensor([1., 1.])
    """

    @with_pytorch_errors(torch.nn.Dropout.forward)
    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Drop each number by itself."""
        if not self.training:
            return input
        return _dropped(input, self.p, inplace=self.inplace)


class Dropout2d(torch.nn.Dropout2d):
    """:func:`dlnotes.training.dropout.apply_mask`; the drop-in for PyTorch's.

    It drops whole channels of images.  Of input with another number of axes than the
    four of images PyTorch warns, and what it does with that is PyTorch's own.

    Examples
    --------
    Each channel of each image is zero, or twice what it was:

    >>> import torch
    >>> from dlnotes.nn import Dropout2d
    >>> images = torch.ones(10, 8, 5, 5)
    >>> dropped = Dropout2d(0.5)(images)
    >>> torch.equal(dropped, dropped[:, :, :1, :1] * images), dropped.unique()
    (True, tensor([0., 2.]))
    """

    @with_pytorch_errors(torch.nn.Dropout2d.forward)
    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Drop each channel of each image by itself."""
        if input.ndim != 4:
            return super().forward(input)
        if not self.training:
            return input
        return _dropped(input, self.p, inplace=self.inplace, channels=True)


@torch.fx.wrap
@without_autocast
def _dropped(z: Tensor, p: float, *, inplace: bool, channels: bool = False) -> Tensor:
    """Drop numbers, or channels, with the mask that PyTorch would draw."""
    if p == 0 or z.numel() == 0:
        return z
    if p == 1:
        a = z * z.new_zeros(())
    else:
        alike = z.new_empty((*z.shape[:2], 1, 1)) if channels else z
        mask = torch.empty_like(alike, dtype=torch.bool).bernoulli_(1 - p)
        a = apply_mask(z, mask, p=p)
    return z.copy_(a) if inplace else a
