"""Layers that normalize over a batch, or within each instance."""

from math import prod

import torch
from torch import Tensor
from torch.nn import functional

from dlnotes.nn.errors import with_pytorch_errors
from dlnotes.nn.memory_format import match_memory_format
from dlnotes.nn.precision import HALF, single_on_a_gpu, without_autocast
from dlnotes.training.batch_normalization import (
    batch_norm_eval,
    batch_norm_forward,
    batch_norm_update_running,
    standardize,
)
from dlnotes.training.layer_normalization import (
    group_norm_forward,
    instance_norm_forward,
    layer_norm_forward,
    rms_norm_forward,
)


class BatchNorm1d(torch.nn.BatchNorm1d):
    """:func:`dlnotes.training.batch_normalization.batch_norm_forward`.

    It is the drop-in for PyTorch's.  In evaluation mode it computes
    :func:`dlnotes.training.batch_normalization.batch_norm_eval`.

    Examples
    --------
    Of the values 1, 2 and 6 a tenth of the mean 3 enters the running mean, and in
    evaluation mode that is what is subtracted:

    >>> import torch
    >>> from dlnotes.nn import BatchNorm1d
    >>> layer = BatchNorm1d(1)
    >>> X = torch.tensor([[1.0], [2.0], [6.0]])
    >>> round(layer(X).sum().item(), 4), round(layer.running_mean.item(), 4)
    (0.0, 0.3)
    >>> layer.eval()(torch.tensor([[0.3]])).tolist()
    [[0.0]]
    """

    @with_pytorch_errors(torch.nn.BatchNorm1d.forward)
    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Standardize each feature, then scale and shift it."""
        return _batch_norm_of(self, input, axes=(2, 3))


class BatchNorm2d(torch.nn.BatchNorm2d):
    """:func:`dlnotes.training.batch_normalization.batch_norm_forward` of images.

    It is the drop-in for PyTorch's.

    Examples
    --------
    Each channel has a mean and a variance of its own, over all images and positions:

    >>> import torch
    >>> from dlnotes.nn import BatchNorm2d
    >>> Y = BatchNorm2d(3)(torch.randn(4, 3, 8, 8) + 5)
    >>> Y.mean(dim=(0, 2, 3)).abs().max().item() < 1e-5
    True
    """

    @with_pytorch_errors(torch.nn.BatchNorm2d.forward)
    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Standardize each channel, then scale and shift it."""
        return _batch_norm_of(self, input, axes=(4,))


class LayerNorm(torch.nn.LayerNorm):
    """:func:`dlnotes.training.layer_normalization.layer_norm_forward`.

    It is the drop-in for PyTorch's.  The last axes, whose shape is given, make up the
    units.

    Examples
    --------
    Each row is standardized by itself:

    >>> import torch
    >>> from dlnotes.nn import LayerNorm
    >>> X = torch.tensor([[0.0, 0.0, 6.0, 6.0], [10.0, 10.0, 40.0, 40.0]])
    >>> LayerNorm(4)(X).round(decimals=3).tolist()
    [[-1.0, -1.0, 1.0, 1.0], [-1.0, -1.0, 1.0, 1.0]]
    """

    @with_pytorch_errors(torch.nn.LayerNorm.forward)
    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Standardize the units of each instance, then scale and shift each."""
        return _layer_norm(
            input,
            self.weight,
            self.bias,
            shape=self.normalized_shape,
            epsilon=self.eps,
        )


class RMSNorm(torch.nn.RMSNorm):
    """:func:`dlnotes.training.layer_normalization.rms_norm_forward`.

    It is the drop-in for PyTorch's.

    Examples
    --------
    The root mean square of 1 and 7 is 5:

    >>> import torch
    >>> from dlnotes.nn import RMSNorm
    >>> RMSNorm(2)(torch.tensor([1.0, 7.0])).round(decimals=4).tolist()
    [0.2, 1.4]
    """

    @with_pytorch_errors(torch.nn.RMSNorm.forward)
    def forward(self, x: Tensor) -> Tensor:
        """Divide the units of each instance by their root mean square, then scale."""
        return _rms_norm(x, self.weight, shape=self.normalized_shape, epsilon=self.eps)


class GroupNorm(torch.nn.GroupNorm):
    """:func:`dlnotes.training.layer_normalization.group_norm_forward`.

    It is the drop-in for PyTorch's.

    Examples
    --------
    Four channels of one pixel in two groups:

    >>> import torch
    >>> from dlnotes.nn import GroupNorm
    >>> X = torch.tensor([[[1.0], [3.0], [100.0], [500.0]]])
    >>> GroupNorm(2, 4)(X).flatten().round(decimals=3).tolist()
    [-1.0, 1.0, -1.0, 1.0]
    """

    @with_pytorch_errors(torch.nn.GroupNorm.forward)
    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Standardize each group of channels, then scale and shift each channel."""
        return _group_norm(
            input, self.weight, self.bias, groups=self.num_groups, epsilon=self.eps
        )


class InstanceNorm2d(torch.nn.InstanceNorm2d):
    """:func:`dlnotes.training.layer_normalization.instance_norm_forward`.

    It is the drop-in for PyTorch's, with its running averages if they are asked for.

    Examples
    --------
    Three times the contrast makes no difference:

    >>> import torch
    >>> from dlnotes.nn import InstanceNorm2d
    >>> layer, image = InstanceNorm2d(2), torch.randn(1, 2, 8, 8)
    >>> torch.allclose(layer(3 * image + 1), layer(image), atol=1e-4)
    True
    """

    @with_pytorch_errors(torch.nn.InstanceNorm2d._apply_instance_norm)
    def _apply_instance_norm(self, input: Tensor) -> Tensor:  # noqa: A002
        """Standardize each channel of each image, then scale and shift it."""
        return _instance_norm(
            input,
            self.weight,
            self.bias,
            self.running_mean,
            self.running_var,
            by_itself=self.training or not self.track_running_stats,
            momentum=0.0 if self.momentum is None else self.momentum,
            epsilon=self.eps,
        )


def _batch_norm_of(
    layer: BatchNorm1d | BatchNorm2d, X: Tensor, *, axes: tuple[int, ...]
) -> Tensor:
    """Hand on the state of a layer, which what is traced cannot look into."""
    return _batch_norm(
        X,
        layer.weight,
        layer.bias,
        layer.running_mean,
        layer.running_var,
        layer.num_batches_tracked,
        axes=axes,
        training=layer.training,
        tracking=layer.track_running_stats,
        momentum=layer.momentum,
        epsilon=layer.eps,
    )


@torch.fx.wrap
@without_autocast
def _batch_norm(  # noqa: PLR0913  # PyTorch's state
    X: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor | None,
    variance: Tensor | None,
    batches: Tensor | None,
    *,
    axes: tuple[int, ...],
    training: bool,
    tracking: bool,
    momentum: float | None,
    epsilon: float,
) -> Tensor:
    if X.ndim not in axes:
        raise ValueError(f"must have {axes} axes, got {X.ndim}")
    gamma, beta = _parameters(X, weight, bias, X.shape[1])
    if not training and mean is not None and variance is not None:
        Y = batch_norm_eval(X, gamma, beta, mean, variance, epsilon=epsilon)
        return match_memory_format(Y, X)
    kept = batches if training and tracking else None
    if X.numel() == 0:
        if kept is not None:
            kept.add_(1)
        return functional.batch_norm(X, None, None, weight, bias, training=True)
    Y, *found = batch_norm_forward(X, gamma, beta, epsilon=epsilon)
    if kept is not None:
        kept.add_(1)
        momentum = 1 / float(kept) if momentum is None else momentum
    if training and tracking:
        count = X.numel() // X.shape[1]
        _update(mean, variance, *found, momentum=momentum or 0.0, instances=count)
    return match_memory_format(Y, X)


@torch.fx.wrap
@single_on_a_gpu
def _layer_norm(
    X: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    *,
    shape: tuple[int, ...],
    epsilon: float,
) -> Tensor:
    rows = _rows(X, shape)
    weight = None if weight is None else weight.flatten()
    bias = None if bias is None else bias.flatten()
    gamma, beta = _parameters(X, weight, bias, prod(shape))
    return layer_norm_forward(rows, gamma, beta, epsilon=epsilon).reshape(X.shape)


@torch.fx.wrap
@single_on_a_gpu
def _rms_norm(
    X: Tensor, weight: Tensor | None, *, shape: tuple[int, ...], epsilon: float | None
) -> Tensor:
    rows = _rows(X, shape)
    gamma = X.new_ones(prod(shape)) if weight is None else weight.flatten()
    if epsilon is None:
        epsilon = torch.finfo(torch.float32 if X.dtype in HALF else X.dtype).eps
    return rms_norm_forward(rows, gamma, epsilon=epsilon).reshape(X.shape)


@torch.fx.wrap
@single_on_a_gpu
def _group_norm(
    X: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    *,
    groups: int,
    epsilon: float,
) -> Tensor:
    if prod(X.shape) == groups:
        raise ValueError("a group must have more than one number in the batch")
    gamma, beta = _parameters(X, weight, bias, X.shape[1])
    Y = group_norm_forward(X, gamma, beta, groups=groups, epsilon=epsilon)
    return match_memory_format(Y, X)


@torch.fx.wrap
@without_autocast
def _instance_norm(  # noqa: PLR0913  # PyTorch's state
    X: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor | None,
    variance: Tensor | None,
    *,
    by_itself: bool,
    momentum: float,
    epsilon: float,
) -> Tensor:
    gamma, beta = _parameters(X, weight, bias, X.shape[1])
    if not by_itself and mean is not None and variance is not None:
        Y = batch_norm_eval(X, gamma, beta, mean, variance, epsilon=epsilon)
        return match_memory_format(Y, X)
    Y = instance_norm_forward(X, gamma, beta, epsilon=epsilon)
    if mean is not None and variance is not None:
        with torch.no_grad():
            _, *each = standardize(X.flatten(2), axes=(2,), epsilon=epsilon)
        found = (values.flatten(1).mean(dim=0) for values in each)
        count = prod(X.shape[2:])
        _update(mean, variance, *found, momentum=momentum, instances=count)
    return match_memory_format(Y, X)


def _rows(X: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Make one axis of the last ones, which must have a shape."""
    if X.shape[-len(shape) :] != shape:
        raise ValueError(f"the last axes must be {shape}, got {tuple(X.shape)}")
    return X.flatten(-len(shape))


def _parameters(
    X: Tensor, weight: Tensor | None, bias: Tensor | None, size: int
) -> tuple[Tensor, Tensor]:
    """Return the scale and the shift, one and zero where there is none."""
    allowed = {X.dtype, torch.float32} if X.dtype in HALF else {X.dtype}
    if not {each.dtype for each in (weight, bias) if each is not None} <= allowed:
        raise TypeError(f"parameters must be of {allowed}")
    gamma = X.new_ones(size) if weight is None else weight
    return gamma, X.new_zeros(size) if bias is None else bias


@torch.no_grad()
def _update(
    mean: Tensor | None,
    variance: Tensor | None,
    new_mean: Tensor,
    new_variance: Tensor,
    *,
    momentum: float,
    instances: int,
) -> None:
    """Write the running averages with a batch into the buffers."""
    if mean is None or variance is None:
        return
    new = batch_norm_update_running(
        mean,
        variance,
        new_mean.detach(),
        new_variance.detach(),
        instances=instances,
        momentum=momentum,
    )
    mean.copy_(new[0])
    variance.copy_(new[1])
