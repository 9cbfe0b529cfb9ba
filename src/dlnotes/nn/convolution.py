"""Convolutional layers."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from dlnotes.cnn.convolution import conv2d
from dlnotes.nn.layout import laid_out_like
from dlnotes.nn.refusal import refuses_like


class Conv2d(torch.nn.Conv2d):
    """:func:`dlnotes.cnn.convolution.conv2d`; the drop-in for PyTorch's.

    What is not zeros around the image, or not the same on both sides of it, is put
    there first.

    Examples
    --------
    Two filters of side two, with an image as large as before, on an image alone:

    >>> import torch
    >>> from dlnotes.nn import Conv2d
    >>> layer = Conv2d(3, 2, kernel_size=2, padding="same", padding_mode="reflect")
    >>> layer(torch.zeros(3, 8, 8)).shape
    torch.Size([2, 8, 8])
    """

    @refuses_like(torch.nn.Conv2d._conv_forward)
    def _conv_forward(
        self,
        input: Tensor,  # noqa: A002
        weight: Tensor,
        bias: Tensor | None,
    ) -> Tensor:
        """Slide the filters over one image or a batch of them."""
        X = input if input.ndim == 4 else input[None]
        settings: dict[str, Any] = {"stride": self.stride, "dilation": self.dilation}
        if self.padding_mode == "zeros" and not isinstance(self.padding, str):
            settings["padding"] = self.padding
        else:
            mode = self.padding_mode.replace("zeros", "constant")
            X = pad(X, self._reversed_padding_repeated_twice, mode=mode)
        # Flat in between, its gradient is laid out as DistributedDataParallel wants it.
        W = weight.flatten().reshape(weight.shape)
        Y = conv2d(X, W, bias, groups=self.groups, **settings)
        Y = laid_out_like(Y, X, weight)
        return Y if input.ndim == 4 else Y[0]
