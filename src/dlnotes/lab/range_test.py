"""The learning rate range test, for any model and optimizer of PyTorch."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import Module

from dlnotes.checks import at_least, in_range, integer
from dlnotes.lab.fit import Callback, Loss, Run, fit
from dlnotes.optimization.adam import bias_correction
from dlnotes.optimization.learning_rate import has_diverged
from dlnotes.optimization.rmsprop import running_mean


@dataclass(frozen=True, eq=False)
class RangeTest:
    """The rates that a range test came to, and the loss of the batch at each.

    The loss is computed before the step with the rate of its place.  The test ends
    before the first loss that is not finite.  The first smoothed losses are means of so
    few that little can be read off them.
    """

    rates: Float[np.ndarray, "steps"]
    losses: Float[np.ndarray, "steps"]
    smoothed: Float[np.ndarray, "steps"]


def range_test(  # noqa: PLR0913  # as many choices as training has
    model: Module,
    X: Tensor,
    y: Tensor,
    *,
    loss: Loss,
    optimizer: torch.optim.Optimizer,
    rates: Sequence[float] | Float[np.ndarray, "steps"],
    batch_size: int = 64,
    rng: np.random.Generator,
    beta: float = 0.9,
    factor: float = 4.0,
    skip: int = 10,
) -> RangeTest:
    """Train while the learning rate rises, and leave everything as it was.

    What is trained are copies, so the model, the optimizer, the loss and the generator
    are the same afterwards, to the last bit, whether the test ends or fails.  PyTorch's
    own random numbers, which dropout draws, begin again where they were.

    Parameters
    ----------
    model
        What is to be trained later, on the device of the data.
    X
        One instance a row.
    y
        The target of each instance.
    loss
        From outputs and targets to the loss of each instance, or the mean of these;
        nothing but these, so not from the parameters of the model.
    optimizer
        The optimizer of the model's parameters; all its groups get the same rate.
    rates
        The learning rate of each step, which does not fall, such as
        :func:`~dlnotes.optimization.learning_rate.exponential_ramp` makes them.
    batch_size
        How many instances to take at a step.
    rng
        The source of the order of the instances.
    beta
        How much to smooth the losses, at least 0 and less than 1.
    factor
        How far above its least value the smoothed loss ends the test, at least 1; see
        :func:`~dlnotes.optimization.learning_rate.has_diverged`.
    skip
        How many of the first smoothed losses cannot end it, nor be the least, since
        they are means of few: one low loss would be enough.

    Returns
    -------
    test
        The rates, the losses and the smoothed losses.

    Raises
    ------
    ValueError
        If there is no rate, one is negative or not finite, they fall, a setting is out
        of its range, or as :func:`~dlnotes.lab.fit.fit` has it.
    FloatingPointError
        If the first loss is not finite.
    RuntimeError
        If the model keeps something that PyTorch cannot copy, such as its last output.

    Examples
    --------
    A line through a parabola.  The curvature of the loss along the bias is 2, so rates
    above 2/2 diverge: the test ends soon after, and the line has not moved.

    >>> import numpy as np
    >>> import torch
    >>> from dlnotes.lab.range_test import range_test
    >>> from dlnotes.optimization.learning_rate import exponential_ramp
    >>> X, line = torch.linspace(-1, 1, 50)[:, None], torch.nn.Linear(1, 1)
    >>> start = line.bias.item()
    >>> test = range_test(
    ...     line,
    ...     X,
    ...     X**2,
    ...     loss=torch.nn.MSELoss(),
    ...     optimizer=torch.optim.SGD(line.parameters(), lr=0.1),
    ...     rates=exponential_ramp(0.001, 10, steps=200),
    ...     rng=np.random.default_rng(0),
    ... )
    >>> bool(1 < test.rates[-1] < 4), line.bias.item() == start
    (True, True)
    """
    rates = np.asarray(rates, dtype=float)
    if rates.ndim != 1:
        raise ValueError(f"rates must have one axis, got the shape {rates.shape}")
    if not (rates.size and np.isfinite(rates).all() and (rates >= 0).all()):
        raise ValueError(f"rates must be finite and at least 0, got {rates}")
    if (np.diff(rates) < 0).any():
        raise ValueError(f"rates must not fall, got {rates}")
    integer(1, batch_size=batch_size)
    integer(0, skip=skip)
    in_range(0, 1, half_open=True, beta=beta)
    at_least(1, factor=factor)
    model, optimizer, loss, rng = deepcopy((model, optimizer, loss, rng))
    ramp = _Ramp(rates, beta, factor, skip)
    steps_per_epoch = max(1, -(-len(X) // batch_size))
    devices = [X.device] if X.is_cuda else []
    with torch.random.fork_rng(devices), ramp.ended_by_divergence():
        fit(
            model,
            X,
            y,
            loss=loss,
            optimizer=optimizer,
            epochs=-(-len(rates) // steps_per_epoch),
            batch_size=batch_size,
            rng=rng,
            callbacks=[ramp],
        )
    reached = rates[: len(ramp.losses)]
    return RangeTest(reached, np.array(ramp.losses), np.array(ramp.smoothed))


@dataclass(eq=False)
class _Ramp(Callback):
    """Set the rate of each step, and stop after the last or where the loss diverges."""

    rates: Float[np.ndarray, "steps"]
    beta: float
    factor: float
    skip: int
    losses: list[float] = field(default_factory=list)
    smoothed: list[float] = field(default_factory=list)
    mean: Float[np.ndarray, "1"] = field(default_factory=lambda: np.zeros(1))

    def before_step(self, run: Run) -> None:
        for group in run.optimizer.param_groups:
            group["lr"] = float(self.rates[run.steps])

    def after_step(self, run: Run, loss: Tensor) -> None:
        if not loss.isfinite():  # on a GPU; on a CPU `fit` has stopped before
            run.stop = True
            return
        self.losses.append(loss.item())
        self.mean = running_mean(self.mean, np.array(self.losses[-1:]), decay=self.beta)
        self.smoothed.append(self.mean.item() / bias_correction(self.beta, run.steps))
        settled = np.array(self.smoothed[self.skip :])
        diverged = settled.size and has_diverged(settled, factor=self.factor)
        run.stop = bool(diverged) or run.steps == len(self.rates)

    @contextmanager
    def ended_by_divergence(self) -> Iterator[None]:
        """Take a loss that is not finite for the end, unless it is the first."""
        try:
            yield
        except FloatingPointError:
            if not self.losses:
                raise
