"""AdaMax, Nadam and AdamW: what to write, and the mistakes made there."""

from collections.abc import Callable
from typing import Any

import numpy as np

from dlnotes.exercises.drawing import either, reals, shape, whole
from dlnotes.exercises.exercise import Answer, Exercise, Mistake
from dlnotes.exercises.optimization.rmsprop import UPHILL
from dlnotes.optimization.adam import State
from dlnotes.optimization.adam_variants import (
    AdamaxState,
    NadamState,
    adamax_update,
    adamw_update,
    nadam_momentum,
    nadam_update,
)

Step = Callable[..., Any]

UNCOUNTED = (
    "Your step is right, but the state that you return still has the number of steps "
    "made before it."
)
IDLE = (
    "Your step is right, but you return the state of before it. It would stay at its "
    "start for ever."
)


def _case(rng: np.random.Generator) -> tuple[dict[str, Any], Any, int]:
    """Draw what all three take, the size of the gradients so far, and their number."""
    size, t = shape(rng), whole(rng, 0, 5)
    t = 1000 if rng.random() < 0.1 else t
    theta, gradient = reals(rng, *size), reals(rng, *size)
    case = {
        "theta": theta,
        "gradient": gradient,
        "learning_rate": float(rng.uniform(0.01, 1)),
        "beta1": float(rng.choice([0.0, 0.5, 0.9])),
        "beta2": float(rng.choice([0.9, 0.99, 0.999])),
        "epsilon": float(rng.choice([1e-8, 0.01, 0.1])),
    }
    return case, np.abs(gradient).max() * (t > 0), t


def _means(rng: np.random.Generator, size: tuple[int, ...], scale: Any) -> Any:
    """Draw both means of Adam, the second without negative numbers."""
    v = scale**2 * np.where(rng.random(size) < 0.1, 0.0, rng.uniform(0.1, 2, size))
    return np.asarray(scale * rng.normal(size=size)), np.asarray(v)


def _average(old: Any, new: Any, decay: float) -> Any:
    return decay * old + (1 - decay) * new


# AdaMax


def _adamax_case(rng: np.random.Generator) -> dict[str, Any]:
    """Draw a run that is about to begin or has made some steps."""
    case, scale, t = _case(rng)
    size = case["theta"].shape
    m = np.asarray(scale * rng.normal(size=size))
    u = np.asarray(scale * rng.uniform(0.3, 1.5, size))
    return either(rng, {**case, "state": AdamaxState(m, u, t)})


def _largest(u: Any, g: Any, decay: float, epsilon: float) -> Any:
    return np.maximum(decay * u, np.abs(g) + epsilon)


def _of_means(
    theta: Any, gradient: Any, state: Any, learning_rate: float, **constants: float
) -> tuple[Any, Any]:
    """Let the maximum be of the means in place of the gradients."""
    m, t = _average(state.m, gradient, constants["beta1"]), state.t + 1
    u = _largest(state.u, m, constants["beta2"], constants["epsilon"])
    step = learning_rate / (1 - constants["beta1"] ** t) * m / u
    return theta - step, AdamaxState(m, u, t)


def _corrected(m: Any, u: Any, t: int, b1: float, _b2: float, _epsilon: float) -> Any:
    return m / (1 - b1**t) / u


def _adamax(
    norm: Step = _largest,
    step: Step = _corrected,
    *,
    sign: int = -1,
    counted: bool = True,
    keep: bool = True,
) -> Answer:
    """Find the norm or the step otherwise, or keep another state."""

    def answer(
        theta: Any, gradient: Any, state: Any, learning_rate: float, **constants: float
    ) -> tuple[Any, Any]:
        b1, b2, epsilon = (constants[name] for name in ("beta1", "beta2", "epsilon"))
        t = state.t + 1
        m = _average(state.m, gradient, b1)
        u = norm(state.u, gradient, b2, epsilon)
        move = learning_rate * step(m, u, t, b1, b2, epsilon)
        new = AdamaxState(m, u, t if counted else state.t)
        return theta + sign * move, new if keep else state

    return answer


ADAMAX = Exercise(
    name="write-optimization-adam-variants-adamax",
    section="optimization.adam_variants",
    task="Write `adamax_update(theta, gradient, state, *, learning_rate, beta1, beta2, "
    "epsilon)`, arrays of one shape: one step of AdaMax. `state` is an `AdamaxState` "
    "with the mean `m`, the decaying maximum `u` and the number `t` of steps made "
    "before this one; epsilon is added to the size of the new gradient. Return "
    "`(theta, state)`, the new state as it is to be kept for the next step.",
    hint="Ask which of the two running quantities is still biased towards zero.",
    solution=adamax_update,
    inputs=_adamax_case,
    mistakes=(
        Mistake(
            _adamax(
                step=lambda m, u, t, b1, b2, _epsilon: (
                    m / (1 - b1**t) / (u / (1 - b2**t))
                )
            ),
            "You correct `u` as well. A maximum is not pulled towards its start at "
            "zero as an average is, so only the mean needs the correction.",
        ),
        Mistake(
            _adamax(step=lambda m, u, *_: m / u),
            "You correct nothing. The mean starts at zero, here as in Adam.",
        ),
        Mistake(
            _adamax(
                step=lambda m, u, t, b1, b2, epsilon: _corrected(
                    m, u, max(t - 1, 1), b1, b2, epsilon
                )
            ),
            "You correct with the number of steps before this one. The mean already "
            "contains the present gradient: count this step.",
        ),
        Mistake(
            _adamax(
                lambda u, g, decay, epsilon: np.maximum(
                    decay * u, np.maximum(g, 0) + epsilon
                )
            ),
            "You compare with the gradient and its sign, so large negative gradients "
            "never enter `u`. It is of sizes.",
        ),
        Mistake(
            _adamax(
                lambda u, g, decay, epsilon: _average(u, np.abs(g) + epsilon, decay)
            ),
            "You average the sizes of the gradients. AdaMax takes the larger of the "
            "decayed maximum and the new size, so one large gradient counts at once.",
        ),
        Mistake(
            _of_means,
            "You put the size of the mean into `u`. It is the size of the new gradient "
            "that is compared with the decayed maximum.",
        ),
        Mistake(
            _adamax(lambda u, g, _decay, epsilon: np.maximum(u, np.abs(g) + epsilon)),
            "Your maximum does not decay, so one large gradient shortens the steps "
            "for ever. The old one is multiplied by beta2 before the comparison.",
        ),
        Mistake(
            _adamax(
                lambda u, g, decay, epsilon: decay * np.maximum(u, np.abs(g) + epsilon)
            ),
            "You let the new gradient decay at once. Only the old maximum is "
            "multiplied by beta2.",
        ),
        Mistake(
            _adamax(
                lambda u, g, decay, _epsilon: np.maximum(decay * u, np.abs(g)),
                lambda m, u, t, b1, _b2, epsilon: m / (1 - b1**t) / (u + epsilon),
            ),
            "You add epsilon to the denominator. Here, as in PyTorch, it is part of "
            "the maximum, beside the size of the new gradient, and is kept in `u`.",
        ),
        Mistake(
            _adamax(
                lambda u, g, decay, epsilon: np.sqrt(
                    _average(u**2, (np.abs(g) + epsilon) ** 2, decay)
                )
            ),
            "You divide by the root of a mean square, as Adam does. AdaMax keeps a "
            "maximum in its place.",
        ),
        Mistake(_adamax(sign=1), UPHILL),
        Mistake(_adamax(counted=False), UNCOUNTED),
        Mistake(_adamax(keep=False), IDLE),
    ),
)


# Nadam


def _nadam_case(rng: np.random.Generator) -> dict[str, Any]:
    """Draw a run that is about to begin or has made some steps."""
    case, scale, t = _case(rng)
    m, v = _means(rng, case["theta"].shape, scale)
    psi = float(rng.choice([0.004, 1.0, 30.0]))
    factors = [
        nadam_momentum(s, beta1=case["beta1"], momentum_decay=psi)
        for s in range(1, t + 1)
    ]
    state = NadamState(m, v, t, float(np.prod(factors)))
    return either(rng, {**case, "momentum_decay": psi, "state": state})


def _ahead(m: Any, _old: Any, g: Any, mus: Any, products: Any, _b1: float) -> Any:
    """Return the mean carried ahead, and the gradient, each with its correction."""
    mu, following = mus
    product, later = products
    return following * m / (1 - later) + (1 - mu) * g / (1 - product)


def _nadam(  # noqa: PLR0913  # a setting for each mistake
    ahead: Step = _ahead,
    *,
    sign: int = -1,
    counted: bool = True,
    keep: bool = True,
    product_kept: bool = True,
    product_ahead: bool = False,
    constant: bool = False,
    corrected: bool = True,
    paper: bool = False,
    powers: bool = False,
) -> Answer:
    """Put something else above the line, or keep another state."""

    def answer(
        theta: Any, gradient: Any, state: Any, learning_rate: float, **constants: float
    ) -> tuple[Any, Any]:
        b1, b2, epsilon = (constants[name] for name in ("beta1", "beta2", "epsilon"))
        t = state.t + 1
        rise = 0 if constant else 0.5
        mus = [
            b1 * (1 - rise * 0.96 ** (constants["momentum_decay"] * s))
            for s in (t, t + 1)
        ]
        product = state.product * mus[0]
        m = _average(state.m, gradient, mus[0] if paper else b1)
        v = _average(state.v, gradient**2, b2)
        products = product, product * mus[1]
        if powers:
            products = mus[0] ** t, mus[1] ** (t + 1)
        top = ahead(m, state.m, gradient, mus, products, b1)
        root = np.sqrt(v / (1 - b2**t if corrected else 1))
        move = learning_rate * top / (root + epsilon)
        steps = t if counted else state.t
        kept = product * (mus[1] if product_ahead else 1)
        kept = kept if product_kept else state.product
        return theta + sign * move, NadamState(m, v, steps, kept) if keep else state

    return answer


NADAM = Exercise(
    name="write-optimization-adam-variants-nadam",
    section="optimization.adam_variants",
    task="Write `nadam_update(theta, gradient, state, *, learning_rate, beta1, beta2, "
    "epsilon, momentum_decay)`, arrays of one shape: one step of Nadam. `state` is a "
    "`NadamState` with Adam's means `m` and `v`, the number `t` of steps made before "
    "this one and the `product` of their momentum coefficients, which "
    "`nadam_momentum` computes. Return `(theta, state)`, the new state as it is to be "
    "kept for the next step.",
    hint="Two numbers of the step t + 1 are needed at step t.",
    solution=nadam_update,
    inputs=_nadam_case,
    mistakes=(
        Mistake(
            _nadam(
                lambda m, _old, g, mus, products, _b1: (
                    (mus[1] * m + (1 - mus[0]) * g) / (1 - products[0])
                )
            ),
            "You correct both parts for the present step. The mean that is carried "
            "ahead belongs to the next step, so its product has one factor more.",
        ),
        Mistake(
            _nadam(lambda m, _old, _g, _mus, products, _b1: m / (1 - products[0])),
            "That is Adam. Nadam applies the new mean once more, as Nesterov's method "
            "does with the velocity.",
        ),
        Mistake(
            _nadam(lambda _m, old, *rest: _ahead(old, old, *rest)),
            "You carry the old mean ahead. It is the updated one, with this gradient "
            "in it, that makes the step look ahead.",
        ),
        Mistake(
            _nadam(
                lambda m, _old, g, mus, products, _b1: (
                    m / (1 - products[1]) + (1 - mus[0]) * g / (1 - products[0])
                )
            ),
            "The mean enters with full weight. It is multiplied by the coefficient of "
            "the next step on its way there.",
        ),
        Mistake(
            _nadam(
                lambda m, _old, g, mus, products, _b1: (
                    mus[1] * m / (1 - products[1]) + (1 - mus[0]) * g
                )
            ),
            "You leave the gradient's part uncorrected. It stands for the newest share "
            "of the mean at this step, and has this step's correction.",
        ),
        Mistake(
            _nadam(
                lambda m, old, g, mus, products, b1: _ahead(
                    m, old, g, (mus[0], mus[0]), products, b1
                )
            ),
            "You carry the mean ahead with the coefficient of this step. It goes to "
            "the next one, so the next one's is meant.",
        ),
        Mistake(
            _nadam(
                lambda m, _old, g, mus, products, b1: (
                    mus[1] * m / (1 - products[1]) + (1 - b1) * g / (1 - products[0])
                )
            ),
            "The gradient's weight is 1 less the coefficient of this step, not 1 less "
            "beta1, towards which the coefficient only rises.",
        ),
        Mistake(
            _nadam(constant=True),
            "You use beta1 as the momentum coefficient. It begins at about half of "
            "that, and rises with the momentum decay.",
        ),
        Mistake(
            _nadam(paper=True),
            "You let the mean decay with the momentum coefficient, as in the paper. "
            "Here `m` is Adam's, which decays with beta1, as in PyTorch.",
        ),
        Mistake(
            _nadam(powers=True),
            "You correct with a power of the present coefficient. The coefficients "
            "differ from step to step, so it is the product of all of them.",
        ),
        Mistake(
            _nadam(product_ahead=True),
            "Your step is right, but the product that you return has the coefficient "
            "of the next step in it, which will then count twice.",
        ),
        Mistake(
            _nadam(corrected=False),
            "You do not correct the mean of the squares. It starts at zero, here as "
            "in Adam.",
        ),
        Mistake(
            _nadam(product_kept=False),
            "Your step is right, but the state that you return has the product without "
            "this step's coefficient.",
        ),
        Mistake(_nadam(sign=1), UPHILL),
        Mistake(_nadam(counted=False), UNCOUNTED),
        Mistake(_nadam(keep=False), IDLE),
    ),
)


# AdamW


def _adamw_case(rng: np.random.Generator) -> dict[str, Any]:
    """Draw a run that is about to begin or has made some steps."""
    case, scale, t = _case(rng)
    m, v = _means(rng, case["theta"].shape, scale)
    state = State(m, v, t)
    decay = float(rng.choice([rng.uniform(0.1, 0.5), 3.0]))  # 3 may change the sign
    return either(rng, {**case, "weight_decay": decay, "state": state})


def _adam(
    theta: Any, gradient: Any, state: Any, rate: float, **constants: float
) -> tuple[Any, Any, Any]:
    """Take a step of Adam, and return what it has divided by, too."""
    b1, b2, epsilon = (constants[name] for name in ("beta1", "beta2", "epsilon"))
    t = state.t + 1
    m, v = _average(state.m, gradient, b1), _average(state.v, gradient**2, b2)
    root = np.sqrt(v / (1 - b2**t)) + epsilon
    return theta - rate * m / (1 - b1**t) / root, State(m, v, t), root


def _adamw(
    decay: Step = lambda theta, _new, rate, weight, _root: rate * weight * theta,
    *,
    sign: int = 1,
    counted: bool = True,
    keep: bool = True,
) -> Answer:
    """Let the parameters decay otherwise, or keep another state."""

    def answer(
        theta: Any,
        gradient: Any,
        state: Any,
        learning_rate: float,
        weight_decay: float,
        **constants: float,
    ) -> tuple[Any, Any]:
        rate = sign * learning_rate
        after, new, root = _adam(theta, gradient, state, rate, **constants)
        less = decay(theta, after, learning_rate, weight_decay, root)
        new = State(new.m, new.v, new.t if counted else state.t)
        return after - less, new if keep else state

    return answer


def _penalty(
    theta: Any,
    gradient: Any,
    state: Any,
    learning_rate: float,
    weight_decay: float,
    **constants: float,
) -> tuple[Any, Any]:
    """Add the gradient of an L2 penalty."""
    penalized = gradient + weight_decay * theta
    return _adam(theta, penalized, state, learning_rate, **constants)[:2]


ADAMW = Exercise(
    name="write-optimization-adam-variants-adamw",
    section="optimization.adam_variants",
    task="Write `adamw_update(theta, gradient, state, *, learning_rate, beta1, beta2, "
    "epsilon, weight_decay)`, arrays of one shape: one step of AdamW, whose decay is "
    "multiplied by the learning rate, as in PyTorch. `state` is a `State` of Adam, "
    "with the means `m` and `v` and the number `t` of steps made before this one. "
    "Return `(theta, state)`, the new state as it is to be kept for the next step.",
    hint="With a gradient and means of zero all parameters must shrink by one factor.",
    solution=adamw_update,
    inputs=_adamw_case,
    mistakes=(
        Mistake(
            _penalty,
            "You add the decay to the gradient. It then passes through the means and "
            "is divided by their root, so parameters with large gradients hardly "
            "decay: that is Adam with an L2 penalty, which AdamW was made to replace.",
            "Implement AdamW optimizer, https://github.com/pytorch/pytorch/pull/21250",
        ),
        Mistake(
            _adamw(lambda theta, _new, _rate, weight, _root: weight * theta),
            "You subtract the decay times the parameters without the learning rate. "
            "The paper scales it by a schedule of its own; in PyTorch's convention, "
            "asked for here, the rate multiplies it.",
            "Weight decay is not multiplied with learning rate in "
            "DecoupledWeightDecayExtension, "
            "https://github.com/tensorflow/addons/issues/2282",
        ),
        Mistake(
            _adamw(lambda _theta, new, rate, weight, _root: rate * weight * new),
            "You shrink the parameters after Adam's step, so the step decays as well. "
            "The decay is of the parameters as they were.",
        ),
        Mistake(
            _adamw(lambda theta, _new, rate, weight, _root: -rate * weight * theta),
            "Your parameters grow: the decay is added where it should be subtracted.",
            "weight decay multiplied by learning rate, "
            "https://github.com/egg-west/AdamW-pytorch/issues/1",
        ),
        Mistake(
            _adamw(lambda theta, _new, rate, weight, _root: rate * weight * theta**2),
            "You subtract the squares of the parameters. The penalty has squares, its "
            "gradient does not; and with squares negative parameters would move away "
            "from zero.",
            "Decoupled Weight Decay Regularization, "
            "https://github.com/pytorch/pytorch/pull/3740",
        ),
        Mistake(
            _adamw(
                lambda theta, _new, rate, weight, root: rate * weight * theta / root
            ),
            "You kept the decay out of the means but still divide it by the root. "
            "Decoupled means that it does not pass through the quotient at all.",
        ),
        Mistake(
            _adamw(lambda *_: 0.0),
            "That is Adam: nothing decays.",
        ),
        Mistake(_adamw(sign=-1), UPHILL),
        Mistake(_adamw(counted=False), UNCOUNTED),
        Mistake(_adamw(keep=False), IDLE),
    ),
)

EXERCISES = (ADAMAX, NADAM, ADAMW)
