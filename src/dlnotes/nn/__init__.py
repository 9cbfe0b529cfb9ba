"""The sections as PyTorch modules, each a drop-in for its namesake in ``torch.nn``.

Whatever else ``torch.nn`` has is found here as well, and is PyTorch's own.
"""

from typing import Any

import torch.nn
from torch.nn import Flatten

from dlnotes.nn import init as init  # a module, no layer
from dlnotes.nn.activation import (
    ELU,
    GELU,
    SELU,
    LeakyReLU,
    LogSoftmax,
    Mish,
    PReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from dlnotes.nn.convolution import Conv2d
from dlnotes.nn.dropout import Dropout, Dropout2d
from dlnotes.nn.linear import Linear
from dlnotes.nn.loss import (
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    HuberLoss,
    L1Loss,
    MSELoss,
    NLLLoss,
)
from dlnotes.nn.normalization import (
    BatchNorm1d,
    BatchNorm2d,
    GroupNorm,
    InstanceNorm2d,
    LayerNorm,
    RMSNorm,
)
from dlnotes.nn.pooling import MaxPool2d

__all__ = [
    "ELU",
    "GELU",
    "SELU",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "BatchNorm2d",
    "Conv2d",
    "CrossEntropyLoss",
    "Dropout",
    "Dropout2d",
    "Flatten",
    "GroupNorm",
    "HuberLoss",
    "InstanceNorm2d",
    "L1Loss",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "MSELoss",
    "MaxPool2d",
    "Mish",
    "NLLLoss",
    "PReLU",
    "RMSNorm",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
]


def __getattr__(name: str) -> Any:
    """Return PyTorch's own class, function or module where the book has none."""
    try:
        return getattr(torch.nn, name)
    except AttributeError:
        message = f"neither {__name__} nor torch.nn has an attribute {name!r}"
        raise AttributeError(message) from None


def __dir__() -> list[str]:
    """List the book's names and PyTorch's."""
    return sorted({*globals(), *dir(torch.nn)})
