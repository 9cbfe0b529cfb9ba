"""Grids and rungs against scikit-learn, draws against SciPy, errors against repeats."""

import math
from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import Ridge
from sklearn.model_selection import (
    HalvingGridSearchCV,
    KFold,
    ParameterGrid,
    ParameterSampler,
)

from dlnotes.training.hyperparameters import (
    accuracy_standard_error,
    grid,
    halving_schedule,
    hit_probability,
    log_uniform,
    paired_difference,
    random_settings,
    successive_halving,
)

SPACE = {"activation": ("relu", "tanh"), "depth": (1, 2, 3), "rate": (0.1, 0.5)}


def test_a_grid_is_that_of_scikit_learn() -> None:
    settings = grid(SPACE)

    assert list(settings) == list(ParameterGrid(SPACE))
    assert len(settings) == 12


def test_a_grid_takes_arrays_and_ranges_and_keeps_the_order_of_its_names() -> None:
    settings = grid({"rate": np.array([0.25, 0.5]), "depth": range(1, 3)})

    assert [tuple(each.items()) for each in settings] == [
        (("rate", rate), ("depth", depth)) for rate in (0.25, 0.5) for depth in (1, 2)
    ]


@pytest.mark.verifies("eq-hyperparameters-log-uniform")
@pytest.mark.parametrize(("low", "high"), [(1e-4, 0.7), (2.0, 3e5), (0.3, 0.3)])
def test_draws_have_the_quantiles_of_scipys_log_uniform_distribution(
    low: float, high: float, rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    u = rng.random((4, 5))
    u[0, :2] = 0, 1

    x = run(partial(log_uniform, low=low, high=high), u)

    expected = low + 0 * u if low == high else stats.loguniform(low, high).ppf(u)
    np.testing.assert_allclose(x, expected, rtol=1e-12)
    assert x[0, 0] == low
    assert x[0, 1] == high


@pytest.mark.verifies("eq-hyperparameters-log-uniform")
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_draws_keep_their_precision(dtype: str, rng: np.random.Generator) -> None:
    u = rng.random(30)

    kinds: tuple[Any, Any] = u.astype(dtype), torch.tensor(u.astype(dtype))
    for made in kinds:
        x = log_uniform(made, low=1e-3, high=10.0)

        assert x.dtype == made.dtype
        exact = 1e-3 * 1e4 ** np.asarray(made, dtype=float)
        tolerance = 20 * float(np.finfo(dtype).eps)
        np.testing.assert_allclose(np.asarray(x, float), exact, rtol=tolerance)


def test_bounds_may_be_as_far_apart_as_numbers_can_be() -> None:
    x = log_uniform(np.array([0.0, 0.5, 1.0]), low=1e-300, high=1e300)

    np.testing.assert_allclose(x, [1e-300, 1.0, 1e300])


def test_random_settings_have_the_distributions_of_their_space(
    rng: np.random.Generator,
) -> None:
    space: Any = {
        "rate": stats.loguniform(1e-4, 1).ppf,
        "width": np.array([16, 32, 64]),
        "momentum": lambda u: 0.5 + u / 2,
    }

    settings = random_settings(space, count=4000, rng=rng)

    drawn = {name: np.array([each[name] for each in settings]) for name in space}
    theirs = stats.loguniform(1e-4, 1)
    assert stats.kstest(drawn["rate"], theirs.cdf).pvalue > 0.01
    assert stats.kstest(drawn["momentum"], stats.uniform(0.5, 0.5).cdf).pvalue > 0.01
    counts = np.unique_counts(drawn["width"]).counts
    assert stats.chisquare(counts).pvalue > 0.01
    for one, other in (("rate", "width"), ("rate", "momentum"), ("width", "momentum")):
        assert stats.spearmanr(drawn[one], drawn[other]).pvalue > 0.01


def test_random_settings_are_spread_as_scikit_learns_are(
    rng: np.random.Generator,
) -> None:
    ours = random_settings(SPACE, count=3000, rng=rng)
    theirs = list(
        ParameterSampler({**SPACE, "rate": stats.uniform()}, 3000, random_state=0)
    )

    def cells(settings: Any) -> list[int]:
        found = [(each["activation"], each["depth"]) for each in settings]
        return [found.count(cell) for cell in product(("relu", "tanh"), (1, 2, 3))]

    assert stats.chi2_contingency([cells(ours), cells(theirs)]).pvalue > 0.01
    assert {each["rate"] for each in ours} == {0.1, 0.5}


def test_more_settings_begin_with_the_same_ones_and_are_values_of_python() -> None:
    space: Any = {"rate": partial(log_uniform, low=0.1, high=1.0), "depth": (1, 2)}

    few, many = (
        random_settings(space, count=n, rng=np.random.default_rng(3)) for n in (4, 9)
    )

    assert few == many[:4]
    assert {type(each["rate"]) for each in many} == {float}
    assert len({each["rate"] for each in many}) == 9


@pytest.mark.verifies("eq-hyperparameters-hit")
@pytest.mark.parametrize("draws", [1, 4])
def test_the_chance_of_a_hit_is_that_of_all_outcomes(
    draws: int, run: Callable[..., Any]
) -> None:
    share = np.array([[0.0, 0.2, 0.55], [0.9, 1.0, 1e-9]])

    chance = run(partial(hit_probability, draws=draws), share)

    expected = np.zeros_like(share)
    for hits in product((False, True), repeat=draws):
        if any(hits):
            expected += share ** sum(hits) * (1 - share) ** (draws - sum(hits))
    np.testing.assert_allclose(chance, expected, rtol=1e-7)


@pytest.mark.verifies("eq-hyperparameters-hit")
def test_random_search_hits_the_best_share_so_often(rng: np.random.Generator) -> None:
    space: Any = {name: lambda u: u for name in "abc"}
    lost = []
    for _ in range(2000):
        settings = random_settings(space, count=4, rng=rng)
        best = min(abs(s["a"] - 0.3) + s["b"] * s["c"] for s in settings)
        lost.append(best)
    one = [
        abs(a - 0.3) + b * c for a, b, c in rng.random((100_000, 3))
    ]  # the distribution of a single draw

    hit = np.mean(np.array(lost) <= np.quantile(one, 0.15))

    expected = float(hit_probability(np.array(0.15), draws=4))
    assert hit == pytest.approx(expected, abs=4 * (0.25 / 2000) ** 0.5)


@pytest.mark.verifies("eq-hyperparameters-halving")
@pytest.mark.parametrize("factor", [2, 3])
@pytest.mark.parametrize("count", [1, 9, 10, 17])
def test_the_rungs_are_those_of_scikit_learn(
    count: int, factor: int, rng: np.random.Generator
) -> None:
    X, y = rng.normal(size=(600, 2)), rng.normal(size=600)
    search = HalvingGridSearchCV(
        Ridge(),
        {"alpha": np.arange(1.0, count + 1)},
        factor=factor,
        min_resources=4,
        cv=KFold(2),
        refit=False,
    ).fit(X, y)

    rungs = halving_schedule(count, budget=4, factor=factor)

    assert rungs == tuple(zip(search.n_candidates_, search.n_resources_, strict=True))


@pytest.mark.verifies("eq-hyperparameters-halving")
@pytest.mark.parametrize(
    ("count", "factor", "rungs"), [(243, 3, 6), (242, 3, 5), (1000, 10, 4)]
)
def test_powers_are_counted_in_whole_numbers(
    count: int, factor: int, rungs: int
) -> None:
    schedule = halving_schedule(count, budget=2, factor=factor)

    assert len(schedule) == rungs
    for k, (settings, budget) in enumerate(schedule):
        assert settings == math.ceil(count / factor**k)
        assert budget == 2 * factor**k


@pytest.mark.verifies("eq-hyperparameters-halving")
@pytest.mark.parametrize("factor", [2, 3])
def test_halving_keeps_the_best_of_each_rung(
    factor: int, rng: np.random.Generator
) -> None:
    curves, calls = rng.normal(size=(23, 40)), []
    names = list(range(23))

    def evaluate(name: int, budget: int) -> float:
        calls.append((name, budget))
        return float(curves[name, budget])

    rungs = successive_halving(names, evaluate, budget=1, factor=factor)

    left, made = set(names), []
    for (count, budget), rung in zip(
        halving_schedule(23, budget=1, factor=factor), rungs, strict=True
    ):
        while len(left) > count:
            left.remove(min(left, key=lambda k: curves[k, budget // factor]))
        made += [(name, budget) for name in left]
        assert rung.budget == budget
        assert set(rung.settings) == left
        assert list(rung.scores) == [curves[k, budget] for k in rung.settings]
        assert list(rung.scores) == sorted(rung.scores, reverse=True)
    assert sorted(calls) == sorted(made)
    assert names == list(range(23))


def test_without_crossings_the_best_setting_wins() -> None:
    rungs = successive_halving(range(50), lambda k, b: -abs(k - 31) / b, budget=2)

    assert rungs[-1].settings[0] == 31


def test_a_run_that_diverged_is_worst_and_the_first_of_equals_is_better() -> None:
    scores = {"a": math.nan, "b": -math.inf, "c": 1.0, "d": 1.0}

    rung = successive_halving(
        list(scores), lambda name, _: scores[name], budget=1, factor=5
    )[0]

    assert rung.settings == ("c", "d", "b", "a")


@pytest.mark.verifies("eq-hyperparameters-standard-error")
def test_the_standard_error_is_the_deviation_of_a_binomial_share(
    rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    p = rng.random((2, 3))
    p[0, :2] = 0, 1

    error = run(partial(accuracy_standard_error, instances=37), p)

    np.testing.assert_allclose(error, stats.binom(37, p).std() / 37, rtol=1e-10)


@pytest.mark.verifies("eq-hyperparameters-paired")
def test_the_paired_error_is_that_of_the_paired_t_test(
    rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    shared = 100 * rng.random(8)
    a, b = shared + rng.normal(1, 2, size=8), shared + rng.normal(0, 1, size=8)

    mean, error = run(paired_difference, a, b)

    test = stats.ttest_rel(a, b)
    assert mean == pytest.approx(np.mean(a) - np.mean(b), rel=1e-9)
    assert mean / error == pytest.approx(test.statistic, rel=1e-9)


@pytest.mark.verifies("eq-hyperparameters-paired")
def test_the_paired_error_is_the_scatter_of_the_mean_over_repeats(
    rng: np.random.Generator,
) -> None:
    seen = []
    for _ in range(2000):
        shared = rng.normal(0, 9, size=10)
        a, b = shared + rng.normal(0, 2, size=10), shared + rng.normal(0, 1, size=10)
        mean, error = paired_difference(a, b)
        seen.append((float(mean), float(error) ** 2))

    means, variances = np.array(seen).T
    assert variances.mean() == pytest.approx(means.var(), rel=0.1)
    assert variances.mean() == pytest.approx((4 + 1) / 10, rel=0.05)


ONES = np.ones(2)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: grid({}), "space must have at least one hyperparameter"),
        (lambda: grid({"rate": ()}), "rate must have at least one value"),
        (lambda: grid({"rate": np.ones(0)}), "rate must have at least one value"),
        (lambda: log_uniform(ONES, low=0.0, high=1.0), "low must be positive"),
        (lambda: log_uniform(ONES, low=0.1, high=math.inf), "high must be positive"),
        (lambda: log_uniform(ONES, low=2.0, high=1.0), "low must be at most high"),
        (lambda: log_uniform(2 * ONES, low=1.0, high=2.0), "u must be from 0 to 1"),
        (lambda: log_uniform(math.nan * ONES, low=1.0, high=2.0), "u must be from 0"),
        (lambda: drawn({}), "space must have at least one hyperparameter"),
        (lambda: drawn({"rate": []}), "rate must have at least one value"),
        (lambda: drawn({"rate": (1,)}, count=0), "count must be an int of at least 1"),
        (lambda: drawn({"rate": lambda _: 1.0}), "rate must map draws of shape"),
        (lambda: hit_probability(ONES, draws=0), "draws must be an int of at least 1"),
        (lambda: hit_probability(-ONES, draws=1), "share must be from 0 to 1"),
        (lambda: halving_schedule(0, budget=1), "count must be an int of at least 1"),
        (lambda: halving_schedule(9, budget=0), "budget must be an int of at least 1"),
        (
            lambda: halving_schedule(9, budget=1, factor=1),
            "factor must be an int of at least 2",
        ),
        (lambda: halved([]), "settings must have at least one setting"),
        (lambda: halved([math.nan] * 3), "scores must not all be NaN"),
        (
            lambda: accuracy_standard_error(ONES, instances=0),
            "instances must be an int of at least 1",
        ),
        (
            lambda: accuracy_standard_error(90 * ONES, instances=9),
            "accuracy must be from 0 to 1",
        ),
        (lambda: paired_difference(ONES[:1], ONES[:1]), "at least 2 pairs, got 1"),
        (lambda: paired_difference(ONES, np.ones(3)), "pairs"),
    ],
    ids=range(23),
)
def test_what_makes_no_sense_is_refused(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: grid({"activation": "relu"}), "must have a sequence of values"),
        (
            lambda: grid({"rate": 0.1}),  # type: ignore[dict-item]
            "rate must have a sequence of values, got 0.1",
        ),
        (lambda: drawn({"rate": "relu"}), "rate must have a sequence of values"),
        (lambda: random_settings(SPACE, count=2, rng=0), "rng must be"),  # type: ignore[arg-type]
    ],
    ids=range(4),
)
def test_what_is_no_value_is_refused(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(TypeError, match=words):
        call()


def drawn(space: Any, count: int = 2) -> Any:
    """Draw settings from a space."""
    return random_settings(space, count=count, rng=np.random.default_rng(0))


def halved(scores: list[float]) -> Any:
    """Run successive halving over fixed scores."""
    return successive_halving(scores, lambda score, _: score, budget=1)
