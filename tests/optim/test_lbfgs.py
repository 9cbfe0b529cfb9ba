"""L-BFGS goes where PyTorch's goes, with its line search and without."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dlnotes import optim

Settings = dict[str, Any]
WOLFE: Settings = {"line_search_fn": "strong_wolfe"}
SETTINGS: dict[str, Settings] = {
    "plain": {},
    "slow": {"lr": 0.3},
    "rate in a tensor": {"lr": torch.tensor([0.5])},
    "a step at a time": {"max_iter": 1},
    "short memory": {"history_size": 2, "lr": 0.5},
    "few evaluations": {"max_eval": 3},
    "search": WOLFE,
    "search from afar": WOLFE | {"lr": 30.0},
    "search a step at a time": WOLFE | {"max_iter": 1},
    "search with short memory": WOLFE | {"history_size": 2},
    "search with few evaluations": WOLFE | {"max_eval": 3},
    "search with one evaluation": WOLFE | {"max_eval": 1},
    "search with tolerances": WOLFE | {"tolerance_grad": 1e-2},
    "tolerant": {"tolerance_change": 1e-2},
}
every_setting = pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)


def parameters() -> list[nn.Parameter]:
    """Return parameters of several shapes, of which the last is never in use."""
    torch.manual_seed(0)
    kind: Any = {"dtype": torch.float64}
    values = [torch.randn(3, 2, **kind), torch.randn((), **kind)]
    values += [torch.randn(2, dtype=torch.complex128), torch.randn(2, **kind)]
    return [nn.Parameter(each) for each in values]


def closure_of(optimizer: Any) -> Callable[[], Tensor]:
    """Return a closure of a loss that is convex and not quadratic."""
    theta = optimizer.param_groups[0]["params"]

    def closure() -> Tensor:
        optimizer.zero_grad()
        used = torch.cat([torch.view_as_real(theta[2]).flatten(), theta[0].flatten()])
        loss = torch.cosh(used - theta[1]).sum()
        loss = loss + (used.cumsum(0) ** 2).sum() / 4 + theta[1] ** 2
        torch.autograd.backward(loss)
        return loss

    return closure


@every_setting
def test_every_step_ends_where_pytorch_s_ends(settings: Settings) -> None:
    walkers = [each.LBFGS(parameters(), **settings) for each in (optim, torch.optim)]
    ours, theirs = walkers
    for _ in range(8):
        losses = [each.step(closure_of(each)) for each in walkers]

        torch.testing.assert_close(*losses, rtol=1e-9, atol=1e-9)
        ends = [each.param_groups[0]["params"] for each in walkers]
        torch.testing.assert_close(*ends, rtol=1e-9, atol=1e-9)
        counted = [
            [state[name] for name in ("n_iter", "func_evals")]
            for each in walkers
            for state in each.state.values()
        ]
        assert counted[0] == counted[1]
    assert repr(ours) == repr(theirs)


@pytest.mark.parametrize(
    "settings", [{"max_iter": 3}, WOLFE | {"max_iter": 3}], ids=str
)
@pytest.mark.parametrize("ours_first", [True, False])
def test_either_goes_on_where_the_other_stopped(
    settings: Settings,
    ours_first: bool,  # noqa: FBT001
) -> None:
    theta, other = parameters(), parameters()
    first: Any
    second: Any
    first, second = (optim, torch.optim)[:: 1 if ours_first else -1]
    begun = first.LBFGS(theta, **settings)
    whole: Any = torch.optim.LBFGS(other, **settings)
    begun.step(closure_of(begun))

    taken_over = second.LBFGS(theta)
    taken_over.load_state_dict(begun.state_dict())
    taken_over.step(closure_of(taken_over))
    for _ in range(2):
        whole.step(closure_of(whole))

    torch.testing.assert_close(theta, other, rtol=1e-9, atol=1e-9)


def test_a_copy_goes_on_like_the_original() -> None:
    ours, theirs = (
        each.LBFGS(parameters(), max_iter=3) for each in (optim, torch.optim)
    )
    ours.step(closure_of(ours))
    copied = deepcopy(ours)
    copied.step(closure_of(copied))
    for _ in range(2):
        theirs.step(closure_of(theirs))

    torch.testing.assert_close(
        copied.param_groups[0]["params"], theirs.param_groups[0]["params"]
    )


def test_a_step_needs_a_closure() -> None:
    optimizer: Any = optim.LBFGS(parameters())

    with pytest.raises(TypeError, match="closure"):
        optimizer.step()
    with pytest.raises(TypeError, match="closure must be a function"):
        optimizer.step(None)


def test_what_pytorch_refuses_is_refused_in_the_same_words() -> None:
    said = []
    for each in (optim, torch.optim):
        theta = parameters()
        optimizer = each.LBFGS(theta, line_search_fn="wolfe")
        groups = [{"params": theta[:1]}, {"params": theta[1:]}]
        with pytest.raises(ValueError) as grouped:  # noqa: PT011  # the words are below
            each.LBFGS(groups)
        with pytest.raises(RuntimeError) as searched:
            optimizer.step(closure_of(optimizer))
        said.append([str(grouped.value), str(searched.value)])

    assert said[0] == said[1]


@pytest.mark.parametrize("settings", [{}, WOLFE], ids=str)
def test_a_closure_that_fails_leaves_everything_as_it_was(settings: Settings) -> None:
    theta = parameters()
    optimizer = optim.LBFGS(theta, max_iter=3, **settings)
    optimizer.step(closure_of(optimizer))
    before = deepcopy([theta, optimizer.state_dict()["state"]])
    calls = []

    def failing() -> Tensor:
        calls.append(1)
        if len(calls) == 3:
            raise RuntimeError("no more data")
        return closure_of(optimizer)()

    with pytest.raises(RuntimeError, match="no more data"):
        optimizer.step(failing)

    after = [theta, optimizer.state_dict()["state"]]
    torch.testing.assert_close(after, before, rtol=0, atol=0)


@pytest.mark.parametrize(
    "off", [{"tolerance_change": -1}, {"tolerance_grad": -1}, {"max_iter": 0}], ids=str
)
def test_a_tolerance_or_the_search_itself_can_be_switched_off(off: Settings) -> None:
    ends = []
    for each in (optim.LBFGS, torch.optim.LBFGS):
        theta = parameters()
        optimizer: Any = each(theta, **WOLFE, **off)
        optimizer.step(closure_of(optimizer))
        ends.append(theta)

    torch.testing.assert_close(*ends)


@pytest.mark.parametrize("seed", range(10))
def test_in_half_precision_the_search_arrives(seed: int) -> None:
    torch.manual_seed(seed)
    theta = nn.Parameter(torch.randn(3).to(torch.float16))
    optimizer = optim.LBFGS([theta], line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = (theta**2).sum() + theta.sum()
        torch.autograd.backward(loss)
        return loss

    for _ in range(3):
        optimizer.step(closure)

    torch.testing.assert_close(
        theta.detach().float(), torch.full((3,), -0.5), rtol=0, atol=0.01
    )
