r"""Dropout.

Dropout is noise that regularizes: while a network learns, units are switched off at
random, so no unit can rely on another one being there.  Hinton et al. (2012) introduced
it and took it for a cheap ensemble of exponentially many networks; Srivastava et al.
(2014) measured it in full.  Baldi and Sadowski (2013) worked out its mean and variance
and the ensemble's geometric mean, and Wager et al. (2013) showed that for linear
regression it is a weight decay that knows the scale of each input.

References
----------
* G. E. Hinton, N. Srivastava, A. Krizhevsky, I. Sutskever and R. R. Salakhutdinov
  (2012). Improving neural networks by preventing co-adaptation of feature detectors.
  https://arxiv.org/abs/1207.0580
* L. Wan, M. Zeiler, S. Zhang, Y. LeCun and R. Fergus (2013). Regularization of neural
  networks using DropConnect. *International Conference on Machine Learning*.
  https://proceedings.mlr.press/v28/wan13.html
* P. Baldi and P. J. Sadowski (2013). Understanding dropout. *Advances in Neural
  Information Processing Systems* 26.
  https://papers.nips.cc/paper/4878-understanding-dropout
* S. Wager, S. Wang and P. Liang (2013). Dropout training as adaptive regularization.
  *Advances in Neural Information Processing Systems* 26.
  https://arxiv.org/abs/1307.1493
* N. Srivastava, G. Hinton, A. Krizhevsky, I. Sutskever and R. Salakhutdinov (2014).
  Dropout: a simple way to prevent neural networks from overfitting. *Journal of Machine
  Learning Research* 15. https://jmlr.org/papers/v15/srivastava14a.html
* J. Tompson, R. Goroshin, A. Jain, Y. LeCun and C. Bregler (2015). Efficient object
  localization using convolutional networks. *Conference on Computer Vision and Pattern
  Recognition*. https://arxiv.org/abs/1411.4280
* Y. Gal and Z. Ghahramani (2016). Dropout as a Bayesian approximation: representing
  model uncertainty in deep learning. *International Conference on Machine Learning*.
  https://arxiv.org/abs/1506.02142
* Y. Gal and Z. Ghahramani (2016). A theoretically grounded application of dropout in
  recurrent neural networks. *Advances in Neural Information Processing Systems* 29.
  https://arxiv.org/abs/1512.05287
"""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from dlnotes.arrays import Array, array_namespace, checked, device_of
from dlnotes.checks import generator, in_range, integer
from dlnotes.networks.losses import log_softmax, softmax

MOST_UNITS = 20


@checked
def dropout_mask(u: Float[Array, "*shape"], *, p: float) -> Bool[Array, "*shape"]:
    r"""Make a mask, which says what is kept, of uniform random numbers.

    Let :math:`u_j` be drawn uniformly from :math:`[0, 1)`.  With the dropout rate
    :math:`p`, which is the probability of being dropped, unit :math:`j` is kept where

    .. math::
       :label: eq-dropout-mask

       r_j = \mathbf{1}[u_j \ge p], \qquad
       \text{so that } r_j \sim \operatorname{Bernoulli}(1 - p)

    Parameters
    ----------
    u
        A uniform draw for each number.
    p
        The probability of dropping, from 0 to 1.

    Returns
    -------
    mask
        Whether each number is kept: all of them with p = 0, and none with p = 1.

    Raises
    ------
    ValueError
        If p is not from 0 to 1.

    Examples
    --------
    With p = 0.3 the draws from 0.3 on keep their unit:

    >>> import numpy as np
    >>> from dlnotes.training.dropout import dropout_mask
    >>> dropout_mask(np.array([0.0, 0.29, 0.3, 0.99]), p=0.3)
    array([False, False,  True,  True])
    """
    in_range(0, 1, p=p)
    return u >= p


@checked
def apply_mask(
    H: Float[Array, "*shape"], mask: Bool[Array, "..."], *, p: float
) -> Float[Array, "*shape"]:
    r"""Drop what a mask does not keep, and divide the rest by the probability to keep.

    The activations :math:`\mathbf{h}` become, with the mask :math:`\mathbf{r}` of
    :eq:`eq-dropout-mask`,

    .. math::
       :label: eq-dropout

       \tilde{\mathbf{h}} = \frac{\mathbf{r} \odot \mathbf{h}}{1 - p}

    With p = 1 all are zero.

    Parameters
    ----------
    H
        The activations, of any shape.
    mask
        What is kept, as many axes as H.  An axis of size 1 stands for all places of
        that axis, which are kept or dropped together.
    p
        The probability of dropping with which the mask was drawn.

    Returns
    -------
    H_tilde
        What the next layer reads in training.

    Raises
    ------
    ValueError
        If p is not from 0 to 1, or the mask does not fit.

    Examples
    --------
    Two of four units are kept, and count twice:

    >>> import numpy as np
    >>> from dlnotes.training.dropout import apply_mask
    >>> H = np.array([[3.0, 1.0, 4.0, 1.0]])
    >>> apply_mask(H, np.array([[True, False, False, True]]), p=0.5)
    array([[6., 0., 0., 2.]])
    """
    in_range(0, 1, p=p)
    sizes = tuple(mask.shape)
    if len(sizes) != H.ndim or any(
        size not in (1, full) for size, full in zip(sizes, H.shape, strict=True)
    ):
        raise ValueError(
            f"mask must have the shape of H, {tuple(H.shape)}, or 1 in places, "
            f"got {sizes}"
        )
    kept = array_namespace(H).astype(mask, H.dtype)
    return H * (kept / (1 - p) if p < 1 else 0 * kept)


@checked
def inverted_dropout(
    H: Float[Array, "*shape"],
    u: Float[Array, "*shape"],
    *,
    p: float,
    training: bool,
) -> Float[Array, "*shape"]:
    r"""Apply inverted dropout, the form that today's libraries use.

    In training it is :eq:`eq-dropout` with the mask :eq:`eq-dropout-mask`.  At
    inference nothing is dropped and nothing scaled.

    Parameters
    ----------
    H
        The activations.
    u
        A uniform draw from 0 to 1 for each of them.
    p
        The probability of dropping.
    training
        Whether this is a step of training.

    Returns
    -------
    H_tilde
        What the next layer reads.

    Raises
    ------
    ValueError
        If p is not from 0 to 1.

    Examples
    --------
    One of four units is dropped, and the others grow by a third; at inference all stay
    as they are:

    >>> import numpy as np
    >>> from dlnotes.training.dropout import inverted_dropout
    >>> H, u = np.array([3.0, 6.0, 9.0, 3.0]), np.array([0.8, 0.1, 0.3, 0.6])
    >>> inverted_dropout(H, u, p=0.25, training=True)
    array([ 4.,  0., 12.,  4.])
    >>> inverted_dropout(H, u, p=0.25, training=False)
    array([3., 6., 9., 3.])
    """
    mask = dropout_mask(u, p=p)
    return apply_mask(H, mask, p=p) if training else H


@checked
def dropout(
    H: Float[Array, "*shape"], *, p: float, rng: np.random.Generator
) -> Float[Array, "*shape"]:
    r"""Draw a mask and apply it, as in a step of training.

    It is :eq:`eq-dropout`.  Where the call is compiled by JAX, the mask would be drawn
    once for all steps; draw it outside then, for :func:`apply_mask`.

    Parameters
    ----------
    H
        The activations.
    p
        The probability of dropping.
    rng
        The random generator; the draws have single precision.

    Returns
    -------
    H_tilde
        What the next layer reads in training.

    Raises
    ------
    ValueError
        If p is not from 0 to 1.
    TypeError
        If rng is no generator of NumPy.

    Examples
    --------
    A million units of 1 become zeros and fours, with a mean near 1:

    >>> import numpy as np
    >>> from dlnotes.training.dropout import dropout
    >>> H = dropout(np.ones(1_000_000), p=0.75, rng=np.random.default_rng(0))
    >>> np.unique(H).tolist(), round(float(H.mean()), 2)
    ([0.0, 4.0], 1.0)
    """
    return apply_mask(H, _draw(H, tuple(H.shape), p, rng), p=p)


@checked
def dropout_backward(
    upstream: Float[Array, "*shape"], mask: Bool[Array, "..."], *, p: float
) -> Float[Array, "*shape"]:
    r"""Send a gradient back through the mask that was applied.

    Each activation was multiplied by a number, :math:`r_j / (1 - p)`, so its gradient
    is multiplied by the same number:

    .. math::
       :label: eq-dropout-backward

       \frac{\partial J}{\partial h_j}
       = \frac{r_j}{1 - p} \, \frac{\partial J}{\partial \tilde h_j}

    Parameters
    ----------
    upstream
        The gradient with respect to what the next layer read.
    mask
        The mask of the forward pass, and no new one.
    p
        The probability of dropping.

    Returns
    -------
    H_gradient
        The gradient with respect to the activations before dropout.

    Raises
    ------
    ValueError
        If p is not from 0 to 1, or the mask does not fit.

    Examples
    --------
    A unit that was dropped gets no gradient:

    >>> import numpy as np
    >>> from dlnotes.training.dropout import dropout_backward
    >>> dropout_backward(np.array([1.0, -2.0]), np.array([False, True]), p=0.5)
    array([ 0., -4.])
    """
    return apply_mask(upstream, mask, p=p)


@checked
def dropout_variance(H: Float[Array, "*shape"], *, p: float) -> Float[Array, "*shape"]:
    r"""Compute the variance that a random mask gives to each activation.

    With :eq:`eq-dropout` the mean over masks is the activation itself, and

    .. math::
       :label: eq-dropout-variance

       \operatorname{Var}(\tilde h_j) = \frac{p}{1 - p} \, h_j^2

    Parameters
    ----------
    H
        The activations.
    p
        The probability of dropping, less than 1.

    Returns
    -------
    variance
        The variance of each, over the masks.

    Raises
    ------
    ValueError
        If p is not at least 0 and less than 1.

    Examples
    --------
    With p = 0.5 an activation of 3 is 0 or 6, both 3 away from the mean:

    >>> import numpy as np
    >>> from dlnotes.training.dropout import dropout_variance
    >>> dropout_variance(np.array([3.0, 0.0, -1.0]), p=0.5)
    array([9., 0., 1.])
    """
    in_range(0, 1, half_open=True, p=p)
    return p / (1 - p) * H**2


@checked
def channel_dropout(
    X: Float[Array, "batch channels height width"],
    *,
    p: float,
    rng: np.random.Generator,
) -> Float[Array, "batch channels height width"]:
    r"""Drop whole channels of each image, as in a step of training.

    Image :math:`n` has one :math:`r_{nc}` of :eq:`eq-dropout-mask` for all pixels
    :math:`(i, j)` of a channel :math:`c`:

    .. math::
       :label: eq-channel-dropout

       \tilde x_{ncij} = \frac{r_{nc} \, x_{ncij}}{1 - p}

    Parameters
    ----------
    X
        A batch of volumes.
    p
        The probability of dropping a channel.
    rng
        The random generator.

    Returns
    -------
    X_tilde
        The volumes, some of whose channels are zero.

    Raises
    ------
    ValueError
        If p is not from 0 to 1.
    TypeError
        If rng is no generator of NumPy.

    Examples
    --------
    Of three channels the first is dropped, all of it:

    >>> import numpy as np
    >>> from dlnotes.training.dropout import channel_dropout
    >>> X = np.ones((1, 3, 2, 2))
    >>> channel_dropout(X, p=0.5, rng=np.random.default_rng(1)).reshape(3, 4)
    array([[0., 0., 0., 0.],
           [2., 2., 2., 2.],
           [2., 2., 2., 2.]])
    """
    return apply_mask(X, _draw(X, (*X.shape[:2], 1, 1), p, rng), p=p)


def enumerate_subnetworks(units: int) -> Bool[np.ndarray, "masks units"]:
    r"""List all masks of a layer, :math:`2^n` of them for :math:`n` units.

    Parameters
    ----------
    units
        The number of units, at most 20.

    Returns
    -------
    masks
        What each subnetwork keeps, from nothing to all.

    Raises
    ------
    ValueError
        If the number is no integer from 1 to 20.

    Examples
    --------
    >>> from dlnotes.training.dropout import enumerate_subnetworks
    >>> enumerate_subnetworks(2).tolist()
    [[False, False], [False, True], [True, False], [True, True]]
    """
    integer(1, units=units)
    in_range(1, MOST_UNITS, units=units)
    places = np.arange(units)[::-1]
    return np.arange(2**units)[:, None] >> places & 1 == 1


def mask_probabilities(masks: NDArray[np.bool_], *, p: float) -> NDArray[np.float64]:
    r"""Compute the probability of each mask.

    A mask that keeps :math:`k` of :math:`n` units has the probability

    .. math::
       :label: eq-mask-probability

       P(\mathbf{r}) = (1 - p)^k \, p^{\,n - k}, \qquad k = \sum_j r_j

    Parameters
    ----------
    masks
        A mask a row.
    p
        The probability of dropping.

    Returns
    -------
    probabilities
        That of each mask; those of all masks of a layer add up to one.

    Raises
    ------
    ValueError
        If p is not from 0 to 1.

    Examples
    --------
    Two units are both kept with probability 0.9², and both dropped with 0.1²:

    >>> from dlnotes.training.dropout import enumerate_subnetworks, mask_probabilities
    >>> mask_probabilities(enumerate_subnetworks(2), p=0.1).round(2).tolist()
    [0.01, 0.09, 0.09, 0.81]
    """
    in_range(0, 1, p=p)
    kept = np.sum(masks, axis=1)
    return (1 - p) ** kept * float(p) ** (masks.shape[1] - kept)


@checked
def subnetwork_ensemble(
    x: Float[Array, "units"],
    W: Float[Array, "units classes"],
    b: Float[Array, "classes"],
    *,
    p: float = 0.5,
) -> Float[Array, "classes"]:
    r"""Average the softmax classifiers of all masks by their geometric mean.

    Without rescaling, each mask :math:`\mathbf{r}` of the inputs :math:`\mathbf{x}`
    makes another classifier.  The geometric mean of all, weighted by
    :eq:`eq-mask-probability` and divided by its sum, is one classifier whose weights
    are scaled:

    .. math::
       :label: eq-dropout-ensemble

       \prod_{\mathbf{r}} \operatorname{softmax}\bigl( \mathbf{W}^\top
       (\mathbf{r} \odot \mathbf{x}) + \mathbf{b} \bigr)^{P(\mathbf{r})}
       \propto
       \operatorname{softmax}\bigl( (1 - p)\, \mathbf{W}^\top \mathbf{x} + \mathbf{b}
       \bigr)

    This function computes the left side, mask by mask.

    Parameters
    ----------
    x
        What the layer reads for one instance, at most 20 numbers.
    W
        The weights, a column for each class.
    b
        The biases, which are never dropped.
    p
        The probability of dropping; with 0.5 all masks count alike.

    Returns
    -------
    probabilities
        Those of the classes; they add up to one.

    Raises
    ------
    ValueError
        If p is not from 0 to 1, or there are more than 20 units.

    Examples
    --------
    One unit of 2 log 3 for the first of two classes.  Without it the odds are 1, with
    it 9; their geometric mean is 3:

    >>> import numpy as np
    >>> from dlnotes.training.dropout import subnetwork_ensemble
    >>> x, W = np.array([2 * np.log(3)]), np.array([[1.0, 0.0]])
    >>> subnetwork_ensemble(x, W, np.zeros(2)).round(6).tolist()
    [0.75, 0.25]
    """
    xp, masks = array_namespace(x), enumerate_subnetworks(x.shape[0])
    R, P = (
        xp.asarray(each, dtype=x.dtype, device=device_of(x))
        for each in (masks, mask_probabilities(masks, p=p))
    )
    return softmax(xp.sum(P[:, None] * log_softmax((R * x) @ W + b), axis=0))


@checked
def dropout_penalty(
    X: Float[Array, "instances inputs"], w: Float[Array, "inputs"], *, p: float
) -> Float[Array, ""]:
    r"""Compute what input dropout adds to the squared error of a linear model.

    Let :math:`\tilde{\mathbf{x}}_n` be the inputs of instance :math:`n` after
    :eq:`eq-dropout`.  The mean over all masks is the squared error without dropout and
    a penalty:

    .. math::
       :label: eq-dropout-penalty

       \operatorname{E} \sum_n \left( \mathbf{w}^\top \tilde{\mathbf{x}}_n - y_n
       \right)^2
       = \sum_n \left( \mathbf{w}^\top \mathbf{x}_n - y_n \right)^2
       + \frac{p}{1 - p} \sum_j w_j^2 \sum_n x_{nj}^2

    Parameters
    ----------
    X
        The inputs :math:`x_{nj}`, one instance a row.
    w
        The weights.
    p
        The probability of dropping an input, less than 1.

    Returns
    -------
    penalty
        The last term.

    Raises
    ------
    ValueError
        If p is not at least 0 and less than 1.

    Examples
    --------
    The same effect, 6, of two inputs costs the same, whatever their units are:

    >>> import numpy as np
    >>> from dlnotes.training.dropout import dropout_penalty
    >>> X = np.array([[3.0, 300.0]])
    >>> [float(dropout_penalty(X, np.array(w), p=0.5)) for w in ([2, 0.0], [0, 0.02])]
    [36.0, 36.0]
    """
    in_range(0, 1, half_open=True, p=p)
    return p / (1 - p) * array_namespace(X).sum((X * w) ** 2)


def _draw(H: Array, shape: tuple[int, ...], p: float, rng: Any) -> Array:
    """Draw a mask of a shape, in the library and on the device of an array."""
    generator(rng=rng)
    mask = dropout_mask(rng.random(shape, dtype=np.float32), p=p)
    return array_namespace(H).asarray(mask, device=device_of(H))
