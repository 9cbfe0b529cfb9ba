"""Each optimizer goes where PyTorch's goes, with its state, groups and errors."""

import math
import pickle
from collections.abc import Callable
from copy import deepcopy
from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dlnotes import optim
from dlnotes.optim.step import BLOCK
from dlnotes.optimization import adam
from dlnotes.optimization.adam_variants import adamw_update

Settings = dict[str, Any]

SGD: dict[str, Settings] = {
    "plain": {},
    "learning_rate": {"lr": 1e-2},
    "rate of zero": {"lr": 0.0},
    "rate in a tensor": {"lr": torch.tensor(0.001)},
    "rate in a list of one": {"lr": torch.tensor([0.1])},
    "weight_decay": {"weight_decay": 0.5},
    "decay upwards": {"weight_decay": 0.1, "maximize": True},
    "momentum": {"momentum": 0.9},
    "momentum of one": {"momentum": 1},
    "dampening": {"momentum": 0.9, "dampening": 0.5},
    "momentum and decay": {"momentum": 0.9, "weight_decay": 0.1},
    "momentum upwards": {"momentum": 0.9, "maximize": True},
    "nesterov": {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
    "all tensors at once": {"lr": 0.1, "momentum": 0.9, "foreach": True},
    "one tensor at a time": {"lr": 0.1, "momentum": 0.9, "foreach": False},
    "fused": {"lr": 0.1, "momentum": 0.9, "fused": True},
}
ADAM: dict[str, Settings] = {
    "plain": {},
    "learning_rate": {"lr": 0.01},
    "rate of zero": {"lr": 0.0},
    "rate in a tensor": {"lr": torch.tensor(0.001)},
    "constants": {"betas": (0.6, 0.7), "eps": 1e-2},
    "constants in tensors": {"betas": (torch.tensor(0.9), torch.tensor([0.99]))},
    "constants of zero": {"betas": (0.0, 0.0)},
    "weight_decay": {"weight_decay": 0.1},
    "decay upwards": {"weight_decay": 0.1, "maximize": True},
    "decay apart": {"weight_decay": 0.1, "decoupled_weight_decay": True},
    "largest": {"amsgrad": True, "weight_decay": 0.1},
    "largest upwards": {"amsgrad": True, "maximize": True},
    "all tensors at once": {"lr": 0.1, "foreach": True},
    "one tensor at a time": {"lr": 0.1, "foreach": False},
    "fused": {"lr": 0.1, "fused": True, "amsgrad": True},
    "fused, rate in a tensor": {"lr": torch.tensor(0.1), "fused": True},
    "decay apart at a rate in a tensor": {
        "lr": torch.tensor(0.1),
        "weight_decay": 0.1,
        "decoupled_weight_decay": True,
    },
}
SHARED: dict[str, Settings] = {
    "plain": {},
    "learning_rate": {"lr": 0.1},
    "rate of zero": {"lr": 0.0},
    "rate in a tensor": {"lr": torch.tensor(0.1)},
    "rate in a list of one": {"lr": torch.tensor([0.1])},
    "weight_decay": {"weight_decay": 0.1, "eps": 1e-3},
    "decay upwards": {"weight_decay": 0.1, "maximize": True},
    "all tensors at once": {"lr": 0.1, "foreach": True},
    "one tensor at a time": {"lr": 0.1, "foreach": False},
}
BETAS: dict[str, Settings] = {
    "constants": {"betas": (0.6, 0.7), "eps": 1e-2},
    "constants of zero": {"betas": (0.0, 0.0)},
}
LARGEST: dict[str, Settings] = {  # with the most that is kept
    "SGD": {"momentum": 0.9},
    "Adam": {"amsgrad": True},
    "AdamW": {"amsgrad": True},
    "RMSprop": {"momentum": 0.9, "centered": True},
}
SETTINGS: dict[str, dict[str, Settings]] = {
    "SGD": SGD,
    "Adam": ADAM,
    "AdamW": {
        name: {k: v for k, v in each.items() if k != "decoupled_weight_decay"}
        for name, each in ADAM.items()
    },
    "Adagrad": SHARED
    | {
        "decay of the rate": {"lr": 0.1, "lr_decay": 0.3},
        "decay of a rate in a tensor": {"lr": torch.tensor(0.1), "lr_decay": 0.3},
        "sums that begin higher": {"initial_accumulator_value": 0.5, "lr": 0.1},
        "fused": {"lr": 0.1, "lr_decay": 0.1, "fused": True},
    },
    "Adadelta": SHARED | {"mean": {"rho": 0.5, "eps": 1e-2}, "no mean": {"rho": 0.0}},
    "RMSprop": SHARED
    | {
        "mean": {"alpha": 0.5, "eps": 1e-2},
        "centered": {"centered": True, "lr": 0.1},
        "momentum": {"momentum": 0.9, "maximize": True},
        "all": {"momentum": 0.5, "centered": True, "weight_decay": 0.1, "eps": 0.01},
    },
    "Adamax": SHARED | BETAS,
    "NAdam": SHARED
    | BETAS
    | {
        "momentum": {"momentum_decay": 0.1, "lr": 0.1},
        "constant momentum": {"momentum_decay": torch.inf},
        "decay apart": {"weight_decay": 0.1, "decoupled_weight_decay": True},
    },
}
CASES = [(name, each) for name in SETTINGS for each in SETTINGS[name].items()]
NAMES = [f"{name}, {setting}" for name, (setting, _) in CASES]
every_setting = pytest.mark.parametrize(
    ("name", "settings"), [(name, case[1]) for name, case in CASES], ids=NAMES
)
either = pytest.mark.parametrize("name", SETTINGS)  # LBFGS has tests of its own


def both(name: str) -> tuple[Any, Any]:
    return getattr(optim, name), getattr(torch.optim, name)


def parameters(*, fused: bool = False, **_: Any) -> list[nn.Parameter]:
    """Return parameters of several shapes and kinds, the last one never in use."""
    torch.manual_seed(0)
    values = [torch.randn(3, 4), torch.randn(5), torch.tensor(0.3), torch.randn(2)]
    values.insert(2, torch.randn(2, 3, dtype=torch.float64))
    kind = torch.float32 if fused else torch.complex64  # PyTorch fuses no complex ones
    values.insert(3, torch.randn(3, dtype=kind))
    return [nn.Parameter(value) for value in values]


def descend(optimizer: Any, steps: int = 5) -> None:
    """Step by gradients that depend on where the parameters are."""
    for _ in range(steps):
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                unused = parameter.shape == (2,)
                value = parameter.detach()
                parameter.grad = None if unused else torch.cos(value) + 0.1 * value
        optimizer.step()


def assert_same(ours: Any, theirs: Any, start: Any, other: Any) -> None:
    """Compare parameters, states and groups."""
    torch.testing.assert_close(start, other, rtol=1e-5, atol=1e-6)
    mine, yours = ours.state_dict(), theirs.state_dict()
    # NAdam's product takes the dtype of its parameter when it is loaded.
    torch.testing.assert_close(
        mine["state"],
        yours["state"],
        rtol=1e-5,
        atol=1e-6,
        check_dtype=not isinstance(theirs, torch.optim.NAdam),
    )
    assert mine["param_groups"] == yours["param_groups"]


@every_setting
def test_ten_steps_end_where_pytorch_ends(name: str, settings: Settings) -> None:
    theta, other = parameters(**settings), parameters(**settings)
    ours, theirs = (
        each(which, **settings)
        for each, which in zip(both(name), (theta, other), strict=True)
    )

    descend(ours, 10)
    descend(theirs, 10)

    assert_same(ours, theirs, theta, other)
    assert repr(ours) == repr(theirs)


ALL: dict[str, Settings] = {
    "SGD": {"momentum": 0.9, "dampening": 0.2, "weight_decay": 0.01},
    "Adam": {"betas": (0.8, 0.95), "amsgrad": True, "weight_decay": 0.01},
    "AdamW": {"betas": (0.8, 0.95), "amsgrad": True, "weight_decay": 0.01},
    "Adagrad": {
        "lr_decay": 0.01,
        "initial_accumulator_value": 0.1,
        "weight_decay": 0.01,
    },
    "Adadelta": {"rho": 0.8, "eps": 1e-4, "weight_decay": 0.01},
    "RMSprop": {
        "alpha": 0.9,
        "momentum": 0.5,
        "centered": True,
        "weight_decay": 0.01,
        "eps": 1e-3,
    },
    "Adamax": {"betas": (0.8, 0.95), "weight_decay": 0.01},
    "NAdam": {
        "momentum_decay": 0.01,
        "decoupled_weight_decay": True,
        "weight_decay": 0.01,
    },
}


@either
@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("foreach", [False, True])
def test_two_hundred_steps_in_double_precision_agree_to_nine_places(
    name: str,
    foreach: bool,  # noqa: FBT001
    maximize: bool,  # noqa: FBT001
) -> None:
    settings = ALL[name] | {"maximize": maximize, "foreach": foreach}
    generator = torch.Generator().manual_seed(0)
    kinds: Any = {"dtype": torch.float64, "generator": generator}
    shapes: list[tuple[int, ...]] = [(3, 4), (5,), ()]
    start = [torch.randn(shape, **kinds) for shape in shapes]
    start.append(torch.view_as_complex(torch.randn(2, 2, **kinds)))
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # of what PyTorch counts with
    try:
        runs = [
            (each([nn.Parameter(x.clone()) for x in start], lr=0.01, **settings))
            for each in both(name)
        ]
        for k in range(200):
            for optimizer in runs:
                for parameter in optimizer.param_groups[0]["params"]:
                    x = parameter.detach()
                    away = 4 + 4j if x.is_complex() else 4  # that is far from a minimum
                    slope = (away + x + torch.sin(x.real) / 2) * (1 + math.sin(k) / 2)
                    parameter.grad = -slope if maximize else slope
                optimizer.step()
            ours, theirs = (each.param_groups[0]["params"] for each in runs)
            torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)
    finally:
        torch.set_default_dtype(default)


@every_setting
def test_steps_are_taken_where_the_parameters_are(
    name: str, settings: Settings, other_device: torch.device
) -> None:
    theta = parameters(**settings)
    other = [nn.Parameter(each.detach().to(other_device)) for each in theta]
    ours = getattr(optim, name)
    if settings.get("fused"):  # for which PyTorch has a list of devices
        settings = settings | {"fused": False}

    descend(ours(theta, **settings))
    descend(ours(other, **settings))

    torch.testing.assert_close([each.cpu() for each in other], theta)


@every_setting
@pytest.mark.parametrize("ours_first", [True, False])
def test_either_goes_on_where_the_other_stopped(
    name: str,
    settings: Settings,
    ours_first: bool,  # noqa: FBT001
) -> None:
    theta, other = parameters(**settings), parameters(**settings)
    first, second = both(name)[:: 1 if ours_first else -1]
    begun, whole = first(theta, **settings), both(name)[1](other, **settings)

    descend(begun)
    taken_over = second(theta)
    taken_over.load_state_dict(begun.state_dict())
    descend(taken_over)
    descend(whole, 10)

    assert_same(taken_over, whole, theta, other)


@either
def test_groups_have_settings_of_their_own_and_can_be_added(name: str) -> None:
    runs = []
    for each in both(name):
        first, second, third, *others = parameters()
        groups = [
            {"params": [first], "lr": 0.3, "maximize": True},
            {"params": [second]},
        ]
        optimizer = each(groups, lr=0.1, weight_decay=0.2)
        descend(optimizer)
        optimizer.add_param_group({"params": [third, *others], "weight_decay": 0.0})
        descend(optimizer)
        runs.append((optimizer, [first, second, third, *others]))

    (ours, theta), (theirs, other) = runs
    assert_same(ours, theirs, theta, other)


@either
@pytest.mark.parametrize(
    "copy",
    [deepcopy, lambda each: pickle.loads(pickle.dumps(each))],
    ids=["deep", "pickle"],
)
def test_a_copy_goes_on_like_the_original(
    name: str, copy: Callable[[Any], Any]
) -> None:
    theta, other = parameters(), parameters()
    ours, theirs = (
        each(which, lr=0.1)
        for each, which in zip(both(name), (theta, other), strict=True)
    )
    descend(ours)
    descend(theirs, 10)

    copied = copy(ours)
    descend(copied)

    assert_same(copied, theirs, copied.param_groups[0]["params"], other)


@either
def test_the_closure_is_called_once_and_its_loss_returned(name: str) -> None:
    ours, _ = both(name)
    theta = nn.Parameter(torch.tensor([1.0, 2.0]))
    optimizer = ours([theta], lr=0.1)
    losses = []

    def closure() -> Tensor:
        optimizer.zero_grad()
        losses.append((theta**2).sum())
        torch.autograd.backward(losses[-1])
        return losses[-1]

    loss = optimizer.step(closure)

    assert losses == [loss]
    assert loss.item() == 5.0
    assert (theta < torch.tensor([1.0, 2.0])).all()


@either
def test_a_schedule_and_hooks_work(name: str) -> None:
    runs, calls = [], []
    for each in both(name):
        theta = parameters()
        optimizer = each(theta, lr=0.1)
        optimizer.register_step_post_hook(lambda *_: calls.append("after"))
        cycled = "momentum" in optimizer.defaults or "betas" in optimizer.defaults
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, 0.5, total_steps=6, cycle_momentum=cycled
        )
        for _ in range(5):
            descend(optimizer, 1)
            schedule.step()
        runs.append((optimizer, theta))

    (ours, theta), (theirs, other) = runs
    assert_same(ours, theirs, theta, other)
    assert calls == 10 * ["after"]


@either
def test_a_step_can_be_differentiated(name: str) -> None:
    slopes = []
    steps = 1 if name == "Adamax" else 2  # PyTorch's writes over what it needs again
    for each in both(name):
        start = torch.tensor([1.0, -2.0], dtype=torch.float64, requires_grad=True)
        theta = start.clone()
        optimizer = each([theta], lr=0.1, differentiable=True)
        for factor in (1.0, 0.5)[:steps]:
            theta.grad = factor * torch.cos(start)
            optimizer.step()
        torch.autograd.backward(theta.sum())
        slopes.append(start.grad)

    torch.testing.assert_close(*slopes)


@either
def test_a_rate_in_a_list_of_one_moves_a_number_without_axes(name: str) -> None:
    ends = []
    for each in both(name):
        theta = torch.tensor(1.0, requires_grad=True).clone()
        optimizer = each([theta], lr=torch.tensor([0.1]), differentiable=True)
        theta.grad = torch.tensor(0.5)
        optimizer.step()
        ends.append(theta.detach())

    torch.testing.assert_close(*ends)


@either
@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("overflow", [False, True])
def test_scaled_gradients_are_scaled_back_or_skipped(
    name: str,
    fused: bool,  # noqa: FBT001
    overflow: bool,  # noqa: FBT001
) -> None:
    ends = []
    for each in both(name):
        theta = nn.Parameter(torch.tensor([1.0, -2.0]))
        can_be_fused = "fused" in each([theta]).defaults
        settings = {"fused": fused} if can_be_fused else {}
        optimizer = each([theta], lr=0.1, **settings)
        scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
        loss = (theta**2).sum() * (torch.inf if overflow else 1.0)
        torch.autograd.backward(scaler.scale(loss))
        scaler.step(optimizer)
        scaler.update()
        ends.append(theta.detach())

    torch.testing.assert_close(*ends)
    assert (ends[0] == torch.tensor([1.0, -2.0])).all() == overflow


BAD = {
    "rate below zero": ("SGD", {"lr": -0.1}),
    "two rates": ("SGD", {"lr": torch.tensor([0.1, 0.2])}),
    "momentum below zero": ("SGD", {"momentum": -0.5}),
    "decay below zero": ("SGD", {"weight_decay": -0.5}),
    "nesterov without momentum": ("SGD", {"nesterov": True}),
    "nesterov with dampening": (
        "SGD",
        {"nesterov": True, "momentum": 0.9, "dampening": 0.1},
    ),
    "fused and differentiable": ("SGD", {"fused": True, "differentiable": True}),
    "fused and foreach": ("Adam", {"fused": True, "foreach": True}),
    "Adam's rate below zero": ("Adam", {"lr": -0.1}),
    "foreach with a tensor": ("Adam", {"lr": torch.tensor(0.1), "foreach": True}),
    "beta of one": ("Adam", {"betas": (1.0, 0.0)}),
    "second beta": ("Adam", {"betas": (0.9, -0.1)}),
    "betas of two kinds": ("Adam", {"betas": (0.9, torch.tensor(0.99))}),
    "epsilon": ("Adam", {"eps": -1.0}),
    "Adam's decay": ("Adam", {"weight_decay": -1.0}),
    "unknown": ("Adam", {"momentum": 0.9}),
    "AdamW's decay": ("AdamW", {"weight_decay": -1.0}),
    "Adagrad's decay of the rate": ("Adagrad", {"lr_decay": -1.0}),
    "a sum below zero": ("Adagrad", {"initial_accumulator_value": -1.0}),
    "Adagrad fused": ("Adagrad", {"fused": True, "foreach": True}),
    "rho": ("Adadelta", {"rho": 1.5}),
    "alpha": ("RMSprop", {"alpha": -0.5}),
    "RMSprop's momentum": ("RMSprop", {"momentum": -0.5}),
    "Adamax's beta": ("Adamax", {"betas": (0.9, 1.0)}),
    "NAdam's momentum": ("NAdam", {"momentum_decay": -1.0}),
    "two rates of LBFGS": ("LBFGS", {"lr": torch.ones(2)}),
}


@pytest.mark.parametrize(("name", "settings"), BAD.values(), ids=BAD.keys())
def test_what_pytorch_refuses_is_refused_in_the_same_words(
    name: str, settings: Settings
) -> None:
    ours, theirs = both(name)
    with pytest.raises((ValueError, RuntimeError, TypeError)) as refused:
        theirs(parameters(), **settings)

    with pytest.raises(refused.type) as also:
        ours(parameters(), **settings)

    assert str(also.value) == str(refused.value)


@either
@pytest.mark.parametrize(
    "bad",
    [torch.ones(2), [], [1.0], [{"params": nn.Parameter(torch.ones(1))}] * 2],
    ids=["tensor", "nothing", "number", "twice"],
)
def test_parameters_that_pytorch_refuses_are_refused(name: str, bad: Any) -> None:
    for each in both(name):
        with pytest.raises((TypeError, ValueError), match="param"):
            each(bad)


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
@pytest.mark.parametrize("name", sorted({*SETTINGS} - {"SGD", "Adagrad"}))
def test_sparse_gradients_are_refused_as_by_pytorch(name: str) -> None:
    for each in both(name):
        table = nn.Embedding(5, 3, sparse=True)
        table(torch.tensor([1])).sum().backward()
        with pytest.raises(RuntimeError, match="does not support sparse gradients"):
            each(table.parameters()).step()


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("SGD", {}),
        ("SGD", {"momentum": 0.9}),
        ("SGD", {"maximize": True}),
        ("Adagrad", {}),
        ("Adagrad", {"lr_decay": 0.1, "initial_accumulator_value": 0.1}),
        ("Adagrad", {"maximize": True}),
    ],
    ids=str,
)
def test_sparse_gradients_move_what_they_have_numbers_for(
    name: str, settings: Settings
) -> None:
    ends = []
    for each in both(name):
        table = nn.Embedding(5, 3, sparse=True)
        nn.init.ones_(table.weight)
        other = nn.Parameter(torch.ones(2))
        optimizer = each([table.weight, other], lr=0.1, **settings)
        for rows in ([0, 3], [3, 4, 3], [1]):
            optimizer.zero_grad()
            (table(torch.tensor(rows)).sum() + other.sum()).backward()
            optimizer.step()
        ends.append([table.weight.detach(), optimizer.state_dict()["state"]])

    torch.testing.assert_close(*ends)
    assert (ends[0][0][2] == 1).all()


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
@pytest.mark.parametrize("settings", [{"weight_decay": 0.1}, {"fused": True}], ids=str)
def test_adagrad_refuses_with_sparse_gradients_what_pytorch_refuses(
    settings: Settings,
) -> None:
    said = []
    for each in both("Adagrad"):
        table = nn.Embedding(5, 3, sparse=True)
        table(torch.tensor([1])).sum().backward()
        optimizer = each(table.parameters(), **settings)
        with pytest.raises(RuntimeError) as refused:
            optimizer.step()
        said.append(str(refused.value))

    assert said[0] == said[1]


def test_every_optimizer_has_cases() -> None:
    assert {*SETTINGS, "LBFGS"} == set(optim.__all__)


def test_what_the_book_lacks_is_pytorch_s() -> None:

    from dlnotes.optim import lr_scheduler

    for name in ("lr_scheduler", "swa_utils"):
        assert import_module(f"dlnotes.optim.{name}") is getattr(torch.optim, name)
    assert lr_scheduler is torch.optim.lr_scheduler
    for name in ("SparseAdam", "Optimizer", "swa_utils"):
        assert getattr(optim, name) is getattr(torch.optim, name)
    assert set(torch.optim.__all__) <= set(dir(optim))
    with pytest.raises(
        AttributeError, match=r"'dlnotes\.optim' has no attribute 'Adm'"
    ):
        optim.Adm  # noqa: B018


@pytest.mark.parametrize(
    ("dtype", "gradients"),
    [(torch.float16, 5 * [300.0] + 5 * [1.0]), (torch.float32, [3e19, 1.0, -1.0])],
    ids=str,
)
@pytest.mark.parametrize(
    ("name", "square", "settings"),
    [
        ("Adam", "exp_avg_sq", {}),
        ("Adam", "exp_avg_sq", {"amsgrad": True}),
        ("AdamW", "exp_avg_sq", {}),
        ("RMSprop", "square_avg", {}),
        ("RMSprop", "square_avg", {"momentum": 0.5}),
        ("Adadelta", "square_avg", {"lr": 10.0, "rho": 0.99, "eps": 1e-3}),
        ("Adamax", "exp_inf", {}),
    ],
    ids=str,
)
def test_gradients_whose_squares_overflow_are_survived(
    name: str,
    square: str,
    settings: Settings,
    dtype: torch.dtype,
    gradients: list[float],
) -> None:
    ends = []
    for each in both(name):
        theta = nn.Parameter(torch.ones(2, dtype=dtype))
        optimizer = each([theta], **{"lr": 0.1} | settings)
        for gradient in gradients:
            theta.grad = torch.full_like(theta, gradient)
            optimizer.step()
        ends.append((theta.detach(), optimizer.state[theta][square]))

    assert (ends[0][0] < 1).all()
    torch.testing.assert_close(*ends, rtol=5e-3, atol=2e-3)


@either
@pytest.mark.parametrize(
    "shapes",
    [[(0, 3)], [(BLOCK + 5,)], [(BLOCK,), (3,), (BLOCK // 2, 2), (BLOCK + 1,), (0,)]],
    ids=str,
)
def test_parameters_of_any_size_are_all_updated(
    name: str, shapes: list[tuple[int, ...]]
) -> None:
    ends = []
    for each in both(name):
        torch.manual_seed(0)
        theta = [nn.Parameter(torch.randn(shape)) for shape in shapes]
        settings = LARGEST.get(name, {})
        descend(each(theta, lr=0.1, **settings), 3)
        ends.append(theta)

    torch.testing.assert_close(*ends)


@either
def test_parameters_that_do_not_lie_in_a_row_are_updated_in_place(name: str) -> None:
    ends = []
    for each in both(name):
        torch.manual_seed(0)
        whole = torch.randn(4, 6)
        images = torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last)
        large = torch.randn(2, BLOCK).T
        theta = [nn.Parameter(each) for each in (whole.T, images, large)]
        descend(each(theta, lr=0.1), 3)
        ends.append([whole, *theta])

    torch.testing.assert_close(*ends)
    assert ends[0][2].is_contiguous(memory_format=torch.channels_last)
    assert ends[0][3].T.is_contiguous()


@either
def test_parameters_that_began_later_keep_their_own_count(name: str) -> None:
    ends = []
    for each in both(name):
        torch.manual_seed(0)
        theta = [nn.Parameter(torch.randn(4)) for _ in range(3)]
        settings: Settings = {"momentum": 0.9, "dampening": 0.5}
        optimizer = each(theta, lr=0.1, **(settings if name == "SGD" else {}))
        for step in range(6):
            for k, parameter in enumerate(theta):
                late = step < 2 * k
                parameter.grad = None if late else torch.cos(parameter.detach())
            optimizer.step()
        ends.append((theta, optimizer.state_dict()["state"]))

    torch.testing.assert_close(*ends)


REFUSED: list[tuple[str, Settings]] = [
    ("SGD", {"momentum": 0.9, "dampening": 2.0}),
    ("RMSprop", {"alpha": 1.5}),
    ("Adadelta", {"rho": 1.0}),
]


@pytest.mark.parametrize(("name", "settings"), REFUSED, ids=str)
def test_a_setting_that_a_section_refuses_leaves_everything_as_it_was(
    name: str, settings: Settings
) -> None:
    ours, _ = both(name)
    first, second = (nn.Parameter(torch.ones(3)) for _ in range(2))
    first.grad, second.grad = torch.ones(3), torch.ones(3)
    optimizer = ours([{"params": [first]}, {"params": [second]}], lr=0.1)
    if name == "SGD":
        for group in optimizer.param_groups:
            group["momentum"] = 0.9
    optimizer.step()
    optimizer.param_groups[1].update(settings)
    before = deepcopy([first, second, optimizer.state_dict()["state"]])

    with pytest.raises(ValueError, match=r"must be"):
        optimizer.step()

    after = [first, second, optimizer.state_dict()["state"]]
    torch.testing.assert_close(after, before, rtol=0, atol=0)


def test_adamw_is_the_function_of_its_section() -> None:
    theta = nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))
    optimizer = optim.AdamW([theta], lr=0.1, weight_decay=0.3)
    walked = theta.detach().clone()
    state = adam.init(walked)

    for _ in range(5):
        walked, state = adamw_update(
            walked, torch.cos(walked), state, learning_rate=0.1, weight_decay=0.3
        )
        theta.grad = torch.cos(theta.detach())
        optimizer.step()

    torch.testing.assert_close(theta.detach(), walked)


@either
def test_parameters_that_share_their_numbers_are_updated_one_after_the_other(
    name: str,
) -> None:
    ends = []
    for each in both(name):
        theta = nn.Parameter(torch.ones(3))
        tied = [theta, nn.Parameter(torch.zeros(2)), nn.Parameter(theta.detach())]
        descend(each(tied, lr=0.1), 3)
        ends.append(tied)

    torch.testing.assert_close(*ends)


@either
def test_seventy_parameters_alike_are_all_updated(name: str) -> None:
    ends = []
    for each in both(name):
        torch.manual_seed(0)
        theta = [nn.Parameter(torch.randn(3)) for _ in range(70)]
        optimizer = each(theta, lr=0.1)
        descend(optimizer, 3)
        ends.append((theta, optimizer.state_dict()["state"]))

    torch.testing.assert_close(*ends)


@either
def test_every_piece_of_a_large_parameter_is_updated(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlnotes.optim.step.BLOCK", 24)
    ends = []
    for each in both(name):
        torch.manual_seed(0)
        theta = nn.Parameter(torch.randn(200))
        descend(each([theta], lr=0.1), 3)
        ends.append(theta)

    torch.testing.assert_close(*ends)


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
def test_the_rate_decays_with_sparse_gradients_for_as_long_as_they_come() -> None:
    ends = []
    for each in both("Adagrad"):
        theta = nn.Parameter(torch.ones(2, 1))
        optimizer = each([theta], lr=0.1, lr_decay=0.3)
        for _ in range(40):
            theta.grad = torch.sparse_coo_tensor(
                torch.tensor([[0]]), torch.ones(1, 1), (2, 1)
            )
            optimizer.step()
        ends.append(theta.detach())

    torch.testing.assert_close(*ends)


@pytest.mark.parametrize("name", ["Adam", "AdamW", "NAdam"])
def test_in_half_precision_small_steps_are_taken(name: str) -> None:
    ours, _ = both(name)
    theta = nn.Parameter(torch.zeros(1, dtype=torch.float16))
    optimizer = ours([theta], lr=1e-5, betas=(0.9, 0.9), eps=1e-6)

    for _ in range(100):
        theta.grad = torch.full_like(theta, 2e-3)
        optimizer.step()

    assert theta.item() == pytest.approx(-1e-3, rel=0.05)


def test_a_gradient_may_be_a_conjugated_view() -> None:
    theta = nn.Parameter(torch.ones(3, dtype=torch.complex64))
    torch.autograd.backward((theta.conj() * torch.arange(3)).sum().real)

    optim.SGD([theta], lr=0.1).step()

    torch.testing.assert_close(theta.detach().real, torch.tensor([1.0, 0.9, 0.8]))


def test_a_first_step_that_is_refused_leaves_no_state() -> None:
    theta = nn.Parameter(torch.ones(2))
    theta.grad = torch.full((2,), 8.0)
    refused = optim.RMSprop([theta], alpha=1.5)
    scaled: Any = optim.Adam([theta], fused=True)
    scaled.grad_scale, scaled.found_inf = torch.tensor(8.0), torch.tensor(0.0)
    scaled.param_groups[0]["lr"] = -1.0

    for optimizer in (refused, scaled):
        with pytest.raises(ValueError, match="must be at least 0"):
            optimizer.step()
        assert not optimizer.state

    assert theta.grad.tolist() == [8, 8]


COMPILED: list[tuple[str, Settings]] = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    ("Adam", {"lr": 0.1}),
    ("Adam", {"lr": 0.1, "amsgrad": True, "weight_decay": 0.1}),
    ("Adam", {"lr": torch.tensor(0.1)}),
    ("Adam", {"lr": torch.tensor(0.1), "capturable": True}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1}),
    ("Adadelta", {"lr": 0.1}),
    ("RMSprop", {"lr": 0.1, "centered": True, "momentum": 0.5}),
    ("Adamax", {"lr": 0.1}),
    ("NAdam", {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True}),
]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # PyTorch's, of its own code
@pytest.mark.filterwarnings("ignore:Profiler record function")
@pytest.mark.parametrize(("name", "settings"), COMPILED, ids=str)
def test_a_compiled_step_makes_as_many_graphs_as_pytorch_s(
    name: str, settings: Settings
) -> None:
    ends, counts = [], []
    for each in both(name):
        torch.compiler.reset()
        graphs: list[Any] = []

        def backend(graph: Any, _: Any, graphs: list[Any] = graphs) -> Any:
            graphs.append(graph)
            return graph

        torch.manual_seed(0)
        theta = [nn.Parameter(torch.randn(3, 4)), nn.Parameter(torch.randn(5))]
        optimizer = each(theta, **settings)
        step = torch.compile(optimizer.step, backend=backend)
        for _ in range(5):
            for parameter in theta:
                parameter.grad = torch.cos(parameter.detach())
            step()  # type: ignore[no-untyped-call]
        counts.append(len(graphs))
        ends.append(theta)

    torch.testing.assert_close(*ends)
    assert counts[0] == counts[1] == 1 + (name == "SGD" and "momentum" in settings)


def test_a_capturable_step_reads_no_number_of_its_step() -> None:
    class Unread(torch.Tensor):
        """A tensor whose value nobody may ask for."""

        def __int__(self) -> int:
            raise AssertionError

        item = __bool__ = __float__ = __int__  # type: ignore[assignment]

    theta, other = parameters(), parameters()
    captured = optim.Adam(theta, lr=0.1, capturable=True)
    descend(captured, 1)
    for kept in captured.state.values():
        kept["step"] = kept["step"].as_subclass(Unread)
    descend(captured, 4)
    descend(torch.optim.Adam(other, lr=0.1), 5)

    # The number of the step is in single precision, as PyTorch has it.
    torch.testing.assert_close(theta, other, rtol=1e-4, atol=1e-5)
