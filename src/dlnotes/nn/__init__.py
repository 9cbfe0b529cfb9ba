"""The sections as PyTorch modules, each a drop-in for its namesake in ``torch.nn``."""

from torch.nn import Flatten

from dlnotes.nn.activation import ELU, LeakyReLU, ReLU, Sigmoid, Tanh
from dlnotes.nn.convolution import Conv2d
from dlnotes.nn.linear import Linear
from dlnotes.nn.loss import CrossEntropyLoss
from dlnotes.nn.pooling import MaxPool2d

__all__ = [
    "ELU",
    "Conv2d",
    "CrossEntropyLoss",
    "Flatten",
    "LeakyReLU",
    "Linear",
    "MaxPool2d",
    "ReLU",
    "Sigmoid",
    "Tanh",
]
