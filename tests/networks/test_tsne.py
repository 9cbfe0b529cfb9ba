"""t-SNE against loops, SciPy, scikit-learn, difference quotients and autograd."""

from collections.abc import Callable
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import special, stats
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.manifold import trustworthiness as their_trustworthiness

from dlnotes.networks.tsne import (
    bandwidths,
    conditional_probabilities,
    descend,
    initial_map,
    joint_probabilities,
    kl_divergence,
    kl_gradient,
    map_probabilities,
    perplexity,
    trustworthiness,
    tsne,
    update,
)

Run = Callable[..., Any]


def draw_pairs(rng: np.random.Generator, points: int) -> NDArray[Any]:
    """Draw the probabilities of pairs, some of them zero."""
    S = np.triu(rng.uniform(size=(points, points)) * (rng.random((points, 1)) < 0.7), 1)
    S[0, 1] = 1.0
    return (S + S.T) / (S + S.T).sum()


def pairs_by_loops(Y: NDArray[Any]) -> NDArray[Any]:
    """Write out Student's t for each pair, by SciPy's density."""
    K = np.zeros((len(Y), len(Y)))
    for i, j in np.ndindex(K.shape):
        if i != j:
            K[i, j] = stats.t.pdf(np.linalg.norm(Y[i] - Y[j]), df=1)
    return K / K.sum()


@pytest.mark.verifies("eq-tsne-conditional")
@pytest.mark.verifies("eq-tsne-joint")
def test_probabilities_are_ratios_of_densities_written_out(
    run: Run, rng: np.random.Generator
) -> None:
    X, sigma = rng.normal(size=(6, 3)), rng.uniform(0.5, 2, size=6)
    want = np.zeros((6, 6))
    for i in range(6):
        for j in set(range(6)) - {i}:
            want[i, j] = stats.norm.pdf(np.linalg.norm(X[i] - X[j]), scale=sigma[i])
        want[i] /= want[i].sum()

    def both(X: Any, sigma: Any) -> tuple[Any, Any]:
        return conditional_probabilities(X, sigma), joint_probabilities(X, sigma)

    P, joint = run(both, X, sigma)

    np.testing.assert_allclose(P, want, rtol=1e-12)
    np.testing.assert_allclose(joint, (want + want.T) / 12, rtol=1e-12)
    assert (joint.sum(axis=1) > 1 / 12).all()


@pytest.mark.verifies("eq-tsne-joint")
def test_a_point_far_from_all_others_picks_the_nearest_of_them(
    array: Callable[[Any], Any],
) -> None:
    X = array(np.array([[0.0], [1.0], [100.0]]))

    P = np.asarray(joint_probabilities(X, array(np.ones(3))))

    want = np.array([[0, 1, 0], [1, 0, 0.5], [0, 0.5, 0]]) / 3
    np.testing.assert_allclose(P, want, atol=1e-12)


@pytest.mark.verifies("eq-perplexity")
def test_perplexity_is_e_to_the_entropy_of_scipy_with_zeros_too(
    run: Run, rng: np.random.Generator
) -> None:
    P = rng.uniform(size=(7, 7)) * (rng.random((7, 7)) < 0.6) + np.eye(7)
    P /= P.sum(axis=1, keepdims=True)
    P[0], P[1, :4], P[1, 4:] = np.eye(7)[2], 0.25, 0.0
    P[2] = [1 - 1e-13, 1e-13, 0, 0, 0, 0, 0]

    got = run(perplexity, P)

    np.testing.assert_allclose(got, np.exp(stats.entropy(P, axis=1)), rtol=1e-13)
    np.testing.assert_allclose(got[:2], [1, 4], rtol=1e-15)


@pytest.mark.verifies("eq-perplexity")
@pytest.mark.parametrize("wanted", [1.0, 1.5, 4.0, 9.9, 10.999])
def test_each_point_gets_the_perplexity_that_is_wanted_whatever_the_scale(
    rng: np.random.Generator, array: Callable[[Any], Any], wanted: float
) -> None:
    X = rng.normal(size=(12, 3)) * 10.0 ** rng.integers(-3, 4, size=(12, 1)) + 5.0

    sigma = np.asarray(bandwidths(array(X), perplexity=wanted))

    for i in range(12):
        D = ((np.delete(X, i, axis=0) - X[i]) ** 2).sum(axis=1)
        p = special.softmax(-D / 2 / sigma[i] ** 2)
        assert np.exp(stats.entropy(p)) == pytest.approx(wanted, rel=1e-11)


def test_the_search_for_bandwidths_stays_on_the_device_of_the_points(
    rng: np.random.Generator, other_device: torch.device
) -> None:
    X = torch.asarray(rng.normal(size=(12, 3)))

    sigma = bandwidths(X.to(other_device), perplexity=4.0)

    assert sigma.device == other_device
    np.testing.assert_allclose(sigma.cpu(), bandwidths(X, perplexity=4.0), rtol=1e-12)


@pytest.mark.verifies("eq-tsne-student")
@pytest.mark.verifies("eq-tsne")
def test_the_divergence_of_a_map_is_scipys(run: Run, rng: np.random.Generator) -> None:
    P, Y = draw_pairs(rng, 6), 2 * rng.normal(size=(6, 2))
    Y[1] = Y[2]

    def both(P: Any, Y: Any) -> tuple[Any, Any]:
        return map_probabilities(Y), kl_divergence(P, Y)

    Q, C = run(both, P, Y)

    want = pairs_by_loops(Y)
    np.testing.assert_allclose(Q, want, rtol=1e-12)
    assert float(C) == pytest.approx(stats.entropy(P.ravel(), want.ravel()), rel=1e-12)


@pytest.mark.verifies("eq-tsne")
def test_the_divergence_of_a_map_that_ran_away_is_infinite_or_no_number(
    array: Callable[[Any], Any],
) -> None:
    P = array((np.ones((3, 3)) - np.eye(3)) / 6)

    with np.errstate(all="ignore"):
        far = kl_divergence(P, array(np.array([[0.0], [1.0], [1e200]])))
        lost = kl_divergence(P, array(np.array([[0.0], [1.0], [np.nan]])))

    assert float(far) == np.inf
    assert np.isnan(float(lost))


@pytest.mark.verifies("eq-tsne")
def test_where_the_map_has_the_probabilities_of_the_data_there_is_no_divergence(
    rng: np.random.Generator, array: Callable[[Any], Any]
) -> None:
    Y = array(rng.normal(size=(7, 2)))
    P = map_probabilities(Y)

    assert abs(float(kl_divergence(P, Y))) < 1e-15
    assert abs(np.asarray(kl_gradient(P, Y))).max() < 1e-15
    assert float(kl_divergence(P, 2 * Y)) > 0.01


@pytest.mark.verifies("eq-tsne-gradient")
def test_the_gradient_is_a_difference_quotient(
    run: Run, rng: np.random.Generator
) -> None:
    P, Y, h = draw_pairs(rng, 6), 2 * rng.normal(size=(6, 2)), 1e-5
    Y[1] = Y[2]
    quotient = np.empty(Y.shape)
    for place in np.ndindex(Y.shape):
        step = np.zeros(Y.shape)
        step[place] = h
        above, below = kl_divergence(P, Y + step), kl_divergence(P, Y - step)
        quotient[place] = (above - below) / (2 * h)

    got = run(kl_gradient, P, Y)

    np.testing.assert_allclose(got, quotient, atol=1e-9)
    np.testing.assert_allclose(got.sum(axis=0), 0, atol=1e-14)


@pytest.mark.verifies("eq-tsne-gradient")
@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_autograd_finds_the_gradient_in_any_number_of_dimensions(
    rng: np.random.Generator, dimensions: int
) -> None:
    P, Y = draw_pairs(rng, 7), 2 * rng.normal(size=(7, dimensions))
    Y[1] = Y[2]
    tensor = torch.asarray(Y).requires_grad_()

    got = kl_gradient(P, Y)

    loss = kl_divergence(torch.asarray(P), tensor)
    (want,) = torch.autograd.grad(loss, tensor)
    np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-15)


def test_the_bandwidth_of_a_point_can_be_differentiated_through(
    rng: np.random.Generator,
) -> None:
    X = torch.asarray(rng.normal(size=(6, 3))).requires_grad_()
    sigma = torch.asarray(rng.uniform(0.5, 2, size=6)).requires_grad_()

    assert torch.autograd.gradcheck(joint_probabilities, (X, sigma))


@pytest.mark.verifies("eq-tsne-update")
def test_one_step_is_the_same_for_every_engine_and_gains_have_a_floor(
    run: Run, rng: np.random.Generator
) -> None:
    Y, v, gradient = rng.normal(size=(3, 4, 2))
    gains = rng.uniform(0.01, 3, size=(4, 2))
    gains[0], v[0, 0], gradient[0, 1] = 0.011, 0.0, 0.0

    def step(*arrays: Any) -> Any:
        return update(*arrays, learning_rate=0.3, mu=0.6)

    got = run(step, Y, v, gains, gradient)

    for n in np.ndindex(Y.shape):
        gain = gains[n] + 0.2 if v[n] * gradient[n] > 0 else max(0.8 * gains[n], 0.01)
        velocity = 0.6 * v[n] + gain * gradient[n]
        place = Y[n] - 0.3 * velocity
        np.testing.assert_allclose([a[n] for a in got], [place, velocity, gain])


def test_the_start_is_the_first_principal_components_of_scikit_learn(
    run: Run, rng: np.random.Generator
) -> None:
    X = rng.normal(size=(9, 4)) * [1, 2, 3, 4] + 10

    Y = run(initial_map, X)

    want = PCA(2).fit_transform(X)
    want *= 1e-4 / want[:, 0].std()
    signs = np.sign((Y * want).sum(axis=0))  # a component may be turned round
    np.testing.assert_allclose(Y * signs, want, rtol=1e-9, atol=1e-17)


def test_neighbors_attract_each_other_more_in_the_first_quarter_only(
    rng: np.random.Generator,
) -> None:
    P, start = draw_pairs(rng, 5), rng.normal(size=(5, 2))
    Y, want = start, []
    for factor, mu, new in [(3, 0.5, 1), (3, 0.5, 0), (1, 0.8, 1)] + [(1, 0.8, 0)] * 5:
        if new:
            v, gains = np.zeros((5, 2)), np.ones((5, 2))
        gradient = kl_gradient(factor * P, Y)
        Y, v, gains = update(Y, v, gains, gradient, learning_rate=0.5, mu=mu)
        want.append(Y)

    got = [*descend(P, start, steps=8, exaggeration=3.0, learning_rate=0.5)]

    np.testing.assert_array_equal(got, want)


def test_the_first_quarter_is_a_quarter_of_however_many_steps(
    rng: np.random.Generator,
) -> None:
    P, start = draw_pairs(rng, 4), rng.normal(size=(4, 2))
    few = {"exaggeration": 3.0, "learning_rate": 0.01}

    path = [*descend(P, start, steps=2000, **few)]

    Y, v, gains = path[499], np.zeros((4, 2)), np.ones((4, 2))
    Y, *_ = update(Y, v, gains, kl_gradient(P, Y), learning_rate=0.01, mu=0.8)
    np.testing.assert_array_equal(path[500], Y)
    assert len(path) == 2000


def test_what_is_not_said_is_thirty_neighbors_a_thousand_steps_and_a_factor_of_four(
    rng: np.random.Generator,
) -> None:
    X = rng.normal(size=(40, 3))
    P, start = joint_probabilities(X, bandwidths(X, perplexity=30.0)), initial_map(X)
    said = [*descend(P, start, steps=1000, exaggeration=4.0, learning_rate=50.0)]

    unsaid = [*descend(P, start)]

    np.testing.assert_array_equal(unsaid, said)
    np.testing.assert_array_equal(tsne(X), said[-1])
    np.testing.assert_array_equal(bandwidths(X), bandwidths(X, perplexity=30.0))


@pytest.mark.parametrize(
    ("points", "exaggeration", "rate"),
    [
        (10, 1.0, 50.0),
        (1200, 1.0, 300.0),
        (240, 1.0, 60.0),
        (240, 1.2, 50.0),
        (240, 2.0, 50.0),
    ],
)
def test_the_learning_rate_grows_with_the_number_of_points_to_an_exaggeration(
    rng: np.random.Generator, points: int, exaggeration: float, rate: float
) -> None:
    P, Y = draw_pairs(rng, points), rng.normal(size=(points, 2))

    (got,) = islice(descend(P, Y, exaggeration=exaggeration), 1)

    gradient = kl_gradient(exaggeration * P, Y)
    np.testing.assert_allclose(got, Y - rate * 0.8 * gradient, rtol=1e-12)


@pytest.mark.verifies("eq-tsne")
def test_maps_of_digits_diverge_no_more_than_scikit_learns_from_the_same_start() -> (
    None
):
    X = load_digits().data[:80] / 16
    P, start = joint_probabilities(X, bandwidths(X, perplexity=10.0)), initial_map(X)
    settings = {"perplexity": 10.0, "learning_rate": 10.0, "early_exaggeration": 4.0}
    model = TSNE(init=start, method="exact", **settings)

    Y = tsne(X, perplexity=10.0, learning_rate=10.0)

    model.fit(X)
    assert float(kl_divergence(P, Y)) < 1.05 * model.kl_divergence_
    assert float(kl_divergence(P, 1e4 * start)) > 1.5 * model.kl_divergence_


def test_a_map_of_tensors_is_that_of_arrays_and_single_precision_stays_single(
    rng: np.random.Generator,
) -> None:
    X, start = rng.normal(size=(12, 3)), rng.normal(size=(12, 2))
    few: Any = {"perplexity": 4.0, "steps": 20, "learning_rate": 1.0}

    Y = tsne(torch.asarray(X), torch.asarray(start), **few)

    np.testing.assert_allclose(Y, tsne(X, start, **few), rtol=1e-9)
    for single in (np.float32(X), torch.asarray(X).float()):
        assert tsne(single, **few).dtype == single.dtype


def test_duplicates_are_nearest_neighbors_and_harm_nobody(
    array: Callable[[Any], Any], rng: np.random.Generator
) -> None:
    X = rng.normal(size=(30, 3))
    X[3:5] = X[0]

    Y = np.asarray(tsne(array(X), perplexity=4.0, steps=100, learning_rate=10.0))

    assert np.isfinite(Y).all()
    D = ((Y[:, None] - Y) ** 2).sum(axis=2) + 1e9 * np.eye(30)
    assert {*D[[0, 3, 4]].argmin(axis=1).tolist()} <= {0, 3, 4}


@pytest.mark.verifies("eq-trustworthiness")
@pytest.mark.parametrize("neighbors", [1, 5, 9, None])
def test_trustworthiness_is_scikit_learns(
    array: Callable[[Any], Any], rng: np.random.Generator, neighbors: int | None
) -> None:
    X = rng.normal(size=(20, 5))
    Y = X[:, :2] + 0.3 * rng.normal(size=(20, 2))

    ours = {} if neighbors is None else {"neighbors": neighbors}
    got = trustworthiness(array(X), array(Y), **ours)

    theirs = {} if neighbors is None else {"n_neighbors": neighbors}
    want = their_trustworthiness(X, Y, **theirs)
    assert float(got) == pytest.approx(want, rel=1e-12)
    assert 0.5 < want < 1


@pytest.mark.verifies("eq-trustworthiness")
def test_a_map_that_is_turned_and_scaled_is_trusted_fully(
    run: Run, rng: np.random.Generator
) -> None:
    X = rng.normal(size=(15, 2))
    turned = 0.1 * X @ [[0.6, -0.8], [0.8, 0.6]]

    assert float(run(trustworthiness, X, turned)) == 1.0


@pytest.mark.parametrize("wanted", [0.99, -1.0, 5.0, 30.0, np.nan])
def test_a_perplexity_below_one_or_beyond_the_other_points_is_refused(
    rng: np.random.Generator, array: Callable[[Any], Any], wanted: float
) -> None:
    X = array(rng.normal(size=(6, 2)))

    message = f"perplexity must be at least 1 and less than 5, got {wanted}"
    for function in (bandwidths, tsne):
        with pytest.raises(ValueError, match=message):
            function(X, perplexity=wanted)


def test_points_that_cannot_have_the_perplexity_are_refused(
    rng: np.random.Generator, array: Callable[[Any], Any]
) -> None:
    X = rng.normal(size=(9, 2))
    X[2:8] = X[1]

    for points, equal in ((X, 7), (np.ones((9, 2)), 8)):
        with pytest.raises(ValueError, match=f"must not have {equal} points equally"):
            tsne(array(points), perplexity=3.0)
    for value in (1.0, 0.1):  # the mean of the second one is rounded
        with pytest.raises(ValueError, match="differ, but all are the same"):
            initial_map(array(np.full((3, 3), value)))
    square = np.concatenate([np.zeros((1, 3)), np.eye(3)])
    with pytest.raises(ValueError, match="must not have 3 points equally"):
        bandwidths(array(square), perplexity=2.5)


def test_two_points_far_nearer_than_the_others_have_a_bandwidth(
    array: Callable[[Any], Any],
) -> None:
    X = array(np.array([[0.0], [1e-10], [3e-10], [1.0]]))

    sigma = np.asarray(bandwidths(X, perplexity=1.5))

    assert (sigma[:3] < 1e-9).all()


def test_distances_whose_squares_overflow_are_refused(
    array: Callable[[Any], Any], rng: np.random.Generator
) -> None:
    X = array(1e200 * rng.normal(size=(9, 3)))

    with (
        np.errstate(all="ignore"),
        pytest.raises(ValueError, match=r"distances whose squares, .*float64 can hold"),
    ):
        bandwidths(X, perplexity=3.0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_refused(
    rng: np.random.Generator, dtype: torch.dtype
) -> None:
    X = torch.asarray(rng.normal(size=(9, 3))).to(dtype)

    says = f"single or double precision, got {dtype}"
    calls: list[Callable[[], Any]] = [
        lambda: bandwidths(X),
        lambda: tsne(X),
        lambda: trustworthiness(X, X, neighbors=1),
    ]

    for call in calls:
        with pytest.raises(ValueError, match=says):
            call()


@pytest.mark.verifies("eq-tsne-conditional")
@pytest.mark.parametrize("width", [1e-160, 1e-320])
def test_a_bandwidth_whose_square_underflows_picks_the_nearest(
    array: Callable[[Any], Any], width: float
) -> None:
    X, sigma = array(np.array([[0.0], [1.0], [3.0]])), array(np.full(3, width))

    with np.errstate(over="ignore"):
        P = np.asarray(conditional_probabilities(X, sigma))

    np.testing.assert_array_equal(P, [[0, 1, 0], [1, 0, 0], [0, 1, 0]])


def test_bandwidths_are_constants_for_autograd(rng: np.random.Generator) -> None:
    X = torch.asarray(rng.normal(size=(9, 3))).requires_grad_()

    (slope,) = torch.autograd.grad(bandwidths(X, perplexity=3.0).sum(), X)

    assert not slope.any()


@pytest.mark.parametrize("strange", [np.nan, np.inf])
def test_numbers_that_are_no_place_are_refused(
    array: Callable[[Any], Any], strange: float
) -> None:
    X = np.eye(5)
    X[2, 3] = strange

    for function in (bandwidths, tsne, initial_map):
        with pytest.raises(ValueError, match="X must be finite, got NaN or infinity"):
            function(array(X))
    with pytest.raises(ValueError, match="Y must be finite, got NaN or infinity"):
        trustworthiness(array(np.eye(5)), array(X), neighbors=1)


@pytest.mark.parametrize("shape", [(0, 3), (1, 3), (4, 0)])
def test_a_single_point_and_points_without_features_are_refused(
    array: Callable[[Any], Any], shape: tuple[int, int]
) -> None:
    X = array(np.zeros(shape))
    one, P = array(np.ones(shape[0])), array(np.ones(shape[:1] * 2))
    calls: list[tuple[str, Callable[[], Any]]] = [
        ("X", lambda: tsne(X)),
        ("X", lambda: bandwidths(X)),
        ("X", lambda: initial_map(X)),
        ("X", lambda: conditional_probabilities(X, one)),
        ("X", lambda: joint_probabilities(X, one)),
        ("Y", lambda: map_probabilities(X)),
        ("Y", lambda: kl_divergence(P, X)),
        ("Y", lambda: kl_gradient(P, X)),
    ]

    for name, call in calls:
        with pytest.raises(ValueError, match=f"{name} must have 2 points or more"):
            call()


@pytest.mark.parametrize("width", [0.0, -1.0, np.nan])
def test_a_bandwidth_that_is_not_positive_is_refused(
    rng: np.random.Generator, array: Callable[[Any], Any], width: float
) -> None:
    X, sigma = array(rng.normal(size=(3, 2))), array(np.array([1.0, width, 1.0]))

    with pytest.raises(ValueError, match="sigma must be positive"):
        joint_probabilities(X, sigma)


def test_settings_out_of_range_are_refused_by_name(rng: np.random.Generator) -> None:
    P, Y = draw_pairs(rng, 6), rng.normal(size=(6, 2))
    rest = (Y, np.zeros_like(Y), np.ones_like(Y), Y)

    def refused(message: str) -> Any:
        return pytest.raises(ValueError, match=message)

    with refused("steps must be an int of at least 1, got 0"):
        next(descend(P, Y, steps=0))
    for factor in (0.5, np.inf):
        with refused(f"exaggeration must be .*, got {factor}"):
            next(descend(P, Y, exaggeration=factor))
    with refused("learning_rate must be positive and finite, got 0"):
        next(descend(P, Y, learning_rate=0.0))
    with refused("mu must be from 0 to 1, got 1.5"):
        update(*rest, learning_rate=1.0, mu=1.5)
    with refused("neighbors must be less than half of 6 points, got 3"):
        trustworthiness(Y, Y, neighbors=3)
    with refused("neighbors must be an int of at least 1, got 0"):
        trustworthiness(Y, Y, neighbors=0)
    with refused("dimensions must be at most .* 2, got 3"):
        initial_map(Y, dimensions=3)
    with refused("Y of shape .*, but points is 6 in P"):
        kl_gradient(P, Y[:5])
