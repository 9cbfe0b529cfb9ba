"""What the optimizers share.

PyTorch keeps the parameters, the groups and the state; a section computes.  A function
of a section is called for many numbers at once: parameters that are small are put end
to end first, and one that is large is taken in pieces: on a CPU they stay in its cache,
and elsewhere they bound the memory of a step.  Each number is updated by itself, so
the result is the same.  Half precision is computed in single precision and rounded
once.

What is used of PyTorch is documented, except ``_init_group`` of its optimizers, which
makes the state and refuses what they do not take, ``found_inf`` and ``grad_scale``,
which its gradient scaler sets on an optimizer, ``_foreach_copy_`` and
``_foreach_add_``, by which its own optimizers write many arrays in one call, and the
two functions by which its distributed training puts arrays end to end and back.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from inspect import signature
from itertools import groupby
from typing import Any, ClassVar, cast

import torch
from torch import Tensor
from torch._utils import _flatten_dense_tensors, _unflatten_dense_tensors

from dlnotes.optimization import gradient_descent

BLOCK = 2**20  # numbers that are read at once on a CPU, of all that is kept together
LARGE_BLOCK = 2**24  # and on any other device
HALF = {torch.float16, torch.bfloat16}
PLAIN = {Tensor, torch.nn.Parameter}

Group = dict[str, Any]
Row = list[Tensor]  # a parameter, its gradient, and what is kept for it
Step = Callable[..., tuple[Tensor, ...]]  # from these to the parameter and what is kept
Call = tuple[Step, list[Row], bool]  # and whether rows may be joined and cut
Counts = tuple[Any, ...]  # what is kept for a parameter and is a number
Taken = list[tuple[torch.nn.Parameter, Counts, list[Tensor], Row]]  # and what is kept


class SectionOptimizer(torch.optim.Optimizer):
    """A PyTorch optimizer that leaves to a section what happens to the parameters.

    PyTorch keeps the groups and the state.  ``foreach`` and ``fused`` choose among its
    own ways to compute one and the same thing, so here they change nothing.  A subclass
    says by what names PyTorch knows what its section reads.
    """

    _update: ClassVar[Callable[..., Any]]  # the section's step
    _state: ClassVar[Callable[..., Any]]  # what makes its state
    _kept: ClassVar[Mapping[str, str]] = {}  # arrays of the state, by PyTorch's name
    _only_with: ClassVar[Mapping[str, str]] = {}  # the setting without which one is not
    _counts: ClassVar[Mapping[str, str]] = {}  # numbers of the state
    _settings: ClassVar[Mapping[str, str]] = {}  # arguments of the step
    _lists: ClassVar[int]  # how many lists _init_group fills

    def __init_subclass__(cls) -> None:
        """Count the lists that PyTorch's class fills with what it keeps."""
        super().__init_subclass__()
        of_the_group = signature(cls._init_group).parameters  # type: ignore[attr-defined]
        cls._lists = len(of_the_group) - len(("self", "group"))

    def step(  # type: ignore[override]
        self, closure: Callable[[], float] | None = None
    ) -> float | None:
        """Update every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        found_inf = getattr(self, "found_inf", None)  # a GradScaler's, where fused
        if found_inf is None or not found_inf.item():
            with torch.set_grad_enabled(self.defaults["differentiable"]):
                self._take_all()
        return loss

    def _take_all(self) -> None:
        """Take a step with all groups, or with none if a setting is refused."""
        scale = getattr(self, "grad_scale", None)  # a GradScaler's, where fused
        if torch.compiler.is_compiling():
            plans = [(group, *self._plan(group)) for group in self.param_groups]
        else:
            plans = self._accepted_plans(scaled=scale is not None)
        for group, calls, taken in plans:
            if scale is not None:
                for parameter, *_ in taken:
                    cast(Tensor, parameter.grad).div_(scale)
            for step, rows, together in calls:
                take(step, rows, together=together)
            if taken:
                self._advance(group, taken)

    def _accepted_plans(self, *, scaled: bool) -> list[tuple[Group, list[Call], Taken]]:
        """Plan a step with all groups, and leave no state behind if one is refused.

        A single step of a section refuses its settings before it writes.  Where more
        than that happens, all are tried first, without any number.
        """
        known = len(self.state)
        try:
            plans = [(group, *self._plan(group)) for group in self.param_groups]
            calls = [call for _, calls, _ in plans for call in calls]
            if len(calls) > 1 or len(self.state) > known or scaled:
                for step, (row, *_), _ in calls:
                    step(*(torch.zeros(0, dtype=x.dtype, device=x.device) for x in row))
        except Exception:
            while len(self.state) > known:
                self.state.popitem()
            raise
        return plans

    def _plan(self, group: Group) -> tuple[list[Call], Taken]:
        """Find the parameters that take a step, and put those alike together."""
        self._init_group(group, *([] for _ in range(self._lists)))  # type: ignore[attr-defined]
        apart = torch.compiler.is_compiling() or group["differentiable"]
        apart = bool(apart or group.get("capturable"))
        alike: dict[Any, tuple[Any, list[Row]]] = {}
        taken: Taken = []
        for parameter in group["params"]:
            if parameter.grad is None:
                continue
            counts, kept = self._remembered(parameter, group)
            row = self._row(parameter, kept, group)
            key = len(alike) if apart else counts
            alike.setdefault(key, (counts, []))[1].append(row)
            taken.append((parameter, counts, kept, row))
        calls = [
            (self._section(group, counts), rows, not apart)
            for counts, rows in alike.values()
        ]
        return calls, taken

    def _names(self, group: Group) -> list[str]:
        """Return the names of the arrays that a step reads and writes."""
        return [
            name
            for name in self._kept
            if name not in self._only_with or group[self._only_with[name]]
        ]

    def _remembered(
        self, parameter: torch.nn.Parameter, group: Group
    ) -> tuple[Counts, list[Tensor]]:
        """Return the counts of a parameter, and the arrays that are kept for it.

        With ``capturable`` no number is read, so that nothing waits for a GPU.
        """
        state = self.state[parameter]
        counts = [state[name] for name in self._counts.values()]
        if not (torch.compiler.is_compiling() or group.get("capturable")):
            counts = [each.item() for each in counts]
        return tuple(counts), [state[self._kept[name]] for name in self._names(group)]

    def _row(
        self,
        parameter: torch.nn.Parameter,
        kept: list[Tensor],
        group: Group,  # noqa: ARG002  # for those who take sparse gradients
    ) -> Row:
        """Return what a step reads, and writes into but for the gradient."""
        gradient = cast(Tensor, parameter.grad)
        if parameter.is_complex():
            return real(parameter, gradient.resolve_conj(), *kept)
        return [parameter, gradient, *kept]

    def _arguments(self, group: Group, counts: Counts) -> dict[str, Any]:  # noqa: ARG002
        """Return the settings of the section's step."""
        found = {name: scalar(group[key]) for name, key in self._settings.items()}
        if "betas" in group:
            found["beta1"], found["beta2"] = map(scalar, group["betas"])
        return found

    def _section(self, group: Group, counts: Counts) -> Step:
        """Return the section's step, for one parameter or several."""
        names, numbers = (
            self._names(group),
            dict(zip(self._counts, counts, strict=True)),
        )
        update, make = self._update, self._state
        settings = self._arguments(group, counts)

        def step(theta: Tensor, gradient: Tensor, *kept: Tensor) -> tuple[Tensor, ...]:
            theta, gradient = penalized(theta, gradient, group)
            state = make(**dict(zip(names, kept, strict=True)), **numbers)
            theta, state = update(theta, gradient, state, **settings)
            return theta, *(getattr(state, name) for name in names)

        return step

    def _advance(self, group: Group, taken: Taken) -> None:  # noqa: ARG002
        """Count the step, once all have taken it."""
        counts = [self.state[parameter]["step"] for parameter, *_ in taken]
        torch._foreach_add_(counts, 1)


def penalized(
    theta: Tensor, gradient: Tensor, group: dict[str, Any]
) -> tuple[Tensor, Tensor]:
    """Return a parameter and the gradient of what is to be made smaller.

    Weight decay is the gradient of a penalty, or a step of its own if it is decoupled.
    """
    gradient = -gradient if group["maximize"] else gradient
    weight_decay = scalar(group["weight_decay"])
    if isinstance(weight_decay, float | int) and not weight_decay:
        return theta, gradient
    if group.get("decoupled_weight_decay"):
        learning_rate = scalar(group["lr"])
        decay = weight_decay * theta
        return gradient_descent.update(
            theta, decay, learning_rate=learning_rate
        ), gradient
    return theta, gradient_descent.penalized_gradient(
        theta, gradient, weight_decay=weight_decay
    )


def take(step: Step, rows: list[Row], *, together: bool) -> None:
    """Take a step with each row, and write its results over what they follow."""
    for block in _blocks(rows) if together else ([row] for row in rows):
        if len(block) == 1:
            theta, _, *kept = block[0]
            for before, after in zip(
                (theta, *kept), step(*map(widened, block[0])), strict=True
            ):
                before.copy_(after)
            continue
        columns = list(zip(*block, strict=True))
        results = step(*map(widened, map(_flatten_dense_tensors, columns)))
        written = (columns[0], *columns[2:])  # but not the gradients
        for many, made in zip(written, results, strict=True):
            parts = _unflatten_dense_tensors(made, many)  # type: ignore[no-untyped-call]
            torch._foreach_copy_(many, parts)


def widened(x: Tensor) -> Tensor:
    """Return half precision in single precision."""
    return x.float() if x.dtype in HALF else x


def _blocks(rows: list[Row]) -> Iterator[list[Row]]:
    """Cut long rows and put short ones together, if their numbers are of one kind."""
    for kind, alike in groupby(rows, _kind):
        if kind is None:
            yield from ([row] for row in alike)
        else:
            numbers = BLOCK if kind[1].type == "cpu" else LARGE_BLOCK
            yield from _of_one_size(alike, numbers // len(rows[0]))


def _kind(row: Row) -> tuple[torch.dtype, torch.device] | None:
    """Return dtype and device of a row, or None if it is not to be cut or joined."""
    theta, gradient = row[0], row[1]
    plain = type(theta) in PLAIN and type(gradient) in PLAIN
    if plain and gradient.layout is torch.strided:
        return theta.dtype, theta.device
    return None


def _of_one_size(rows: Iterable[Row], limit: int) -> Iterator[list[Row]]:
    """Yield blocks of about as many numbers each, and in none an array twice."""
    block: dict[int, Row] = {}  # by where the numbers of a parameter lie
    length = 0
    for row in rows:
        size, place = row[0].numel(), row[0].data_ptr()
        if block and (length > limit or place in block):
            yield list(block.values())
            block, length = {}, 0
        if size > limit:
            yield from _pieces(row, limit)
        elif size:
            block[place] = row
            length += size
    if block:
        yield list(block.values())


def _pieces(row: Row, limit: int) -> Iterator[list[Row]]:
    """Cut a row whose numbers lie one after the other, and leave another whole."""
    if all(each.is_contiguous() for each in row):
        flat = (torch.split(each.view(-1), limit) for each in row)
        yield from ([list(piece)] for piece in zip(*flat, strict=True))
    else:
        yield [row]


def real(*tensors: Tensor) -> list[Tensor]:
    """View complex numbers as pairs of real ones, and leave real ones as they are."""
    return [torch.view_as_real(x) if x.is_complex() else x for x in tensors]


def scalar(value: Any) -> Any:
    """Take the axes away from a tensor of one number."""
    return value.squeeze() if isinstance(value, Tensor) else value
