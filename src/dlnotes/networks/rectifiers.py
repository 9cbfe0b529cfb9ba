r"""Rectified linear units (ReLU).

The rectified linear unit is two straight lines that meet at zero.  Its derivative is
one wherever the unit is active, so it does not shrink the gradient there, and sums of
such units come close to any curve.  Fukushima (1969) had it in a network that sees;
Nair and Hinton (2010), Glorot et al. (2011) and the success of AlexNet (Krizhevsky et
al., 2012) made it the usual activation function of deep networks.  A unit that is never
active cannot learn; leaky ReLU, PReLU, ELU and SELU are remedies.

References
----------
* K. Fukushima (1969). Visual feature extraction by a multilayered network of analog
  threshold elements. *IEEE Transactions on Systems Science and Cybernetics* 5(4).
  https://doi.org/10.1109/TSSC.1969.300225
* V. Nair and G. E. Hinton (2010). Rectified linear units improve restricted Boltzmann
  machines. *International Conference on Machine Learning*.
  https://icml.cc/Conferences/2010/papers/432.pdf
* X. Glorot, A. Bordes and Y. Bengio (2011). Deep sparse rectifier neural networks.
  *Proceedings of Machine Learning Research* 15.
  https://proceedings.mlr.press/v15/glorot11a.html
* A. Krizhevsky, I. Sutskever and G. E. Hinton (2012). ImageNet classification with deep
  convolutional neural networks. *Advances in Neural Information Processing Systems* 25.
  https://papers.nips.cc/paper/4824
* A. L. Maas, A. Y. Hannun and A. Y. Ng (2013). Rectifier nonlinearities improve neural
  network acoustic models. *ICML Workshop on Deep Learning for Audio, Speech and
  Language Processing*.
  https://ai.stanford.edu/~amaas/papers/relu_hybrid_icml2013_final.pdf
* K. He, X. Zhang, S. Ren and J. Sun (2015). Delving deep into rectifiers: surpassing
  human-level performance on ImageNet classification. *International Conference on
  Computer Vision*. https://arxiv.org/abs/1502.01852
* D.-A. Clevert, T. Unterthiner and S. Hochreiter (2015). Fast and accurate deep network
  learning by exponential linear units (ELUs). https://arxiv.org/abs/1511.07289
* G. Klambauer, T. Unterthiner, A. Mayr and S. Hochreiter (2017). Self-normalizing
  neural networks. *Advances in Neural Information Processing Systems* 30.
  https://arxiv.org/abs/1706.02515
"""

from jaxtyping import Float, Real

from dlnotes.arrays import Array, array_namespace, checked

#: The two numbers of the SELU that keep mean 0 and variance 1 in place.
SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805


@checked
def relu(z: Real[Array, "*shape"]) -> Real[Array, "*shape"]:
    r"""Replace negative pre-activations by zero.

    The output is the larger of zero and the pre-activation :math:`z`:

    .. math::
       :label: eq-relu

       \mathrm{ReLU}(z) = \max(0, z)

    The code chooses by the sign, and not by a maximum, so that automatic
    differentiation finds a derivative of 0 at zero.

    Parameters
    ----------
    z
        The pre-activation of each unit.

    Returns
    -------
    a
        The activation of each unit.

    Examples
    --------
    Any number is the difference of two outputs of a ReLU:

    >>> import numpy as np
    >>> from dlnotes.networks.rectifiers import relu
    >>> z = np.array([-3.0, 0.0, 2.0])
    >>> relu(z), relu(-z), relu(z) - relu(-z)
    (array([0., 0., 2.]), array([3., 0., 0.]), array([-3.,  0.,  2.]))
    """
    xp = array_namespace(z)
    return xp.where(z <= 0, 0, z)


@checked
def relu_derivative(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    r"""Differentiate the ReLU.

    The derivative is one where the pre-activation is positive and zero where it is
    negative; at zero, where there is none, zero is taken (:math:`\mathbf{1}` is one
    where its condition holds, else zero):

    .. math::
       :label: eq-relu-derivative

       \mathrm{ReLU}'(z) = \mathbf{1}[z > 0]

    Parameters
    ----------
    z
        The pre-activation of each unit.

    Returns
    -------
    derivative
        One where ``z`` is positive, else zero; NaN where ``z`` is NaN.

    Examples
    --------
    However large the activation of an active unit is, its derivative is one:

    >>> import numpy as np
    >>> from dlnotes.networks.rectifiers import relu_derivative
    >>> relu_derivative(np.array([-5.0, 0.0, 0.001, 1000.0]))
    array([0., 0., 1., 1.])
    """
    xp = array_namespace(z)
    return xp.where(xp.isnan(z), z, xp.astype(z > 0, z.dtype))


@checked
def leaky_relu(
    z: Float[Array, "*shape"], *, alpha: float = 0.01
) -> Float[Array, "*shape"]:
    r"""Multiply negative pre-activations by a small slope.

    Above zero it is the ReLU; below, it is a line with the slope :math:`\alpha`:

    .. math::
       :label: eq-leaky-relu

       f(z) = \begin{cases} z & z > 0, \\ \alpha z & z \le 0 \end{cases}

    For slopes :math:`0 < \alpha < 1` this is :math:`\max(\alpha z, z)`.

    Parameters
    ----------
    z
        The pre-activation of each unit.
    alpha
        The slope :math:`\alpha` below zero.

    Returns
    -------
    a
        The activation of each unit.

    Examples
    --------
    Nothing is lost: the same function with one over ``alpha`` is its inverse.

    >>> import numpy as np
    >>> from dlnotes.networks.rectifiers import leaky_relu
    >>> a = leaky_relu(np.array([-3.0, 2.0]), alpha=0.25)
    >>> a, leaky_relu(a, alpha=4.0)
    (array([-0.75,  2.  ]), array([-3.,  2.]))
    """
    active = array_namespace(z).astype(z > 0, z.dtype)
    return z * (active + alpha * (1 - active))


@checked
def leaky_relu_derivative(
    z: Float[Array, "*shape"], *, alpha: float = 0.01
) -> Float[Array, "*shape"]:
    r"""Differentiate the leaky ReLU.

    The derivative is the slope of the line on either side; zero counts as negative:

    .. math::
       :label: eq-leaky-relu-derivative

       f'(z) = \begin{cases} 1 & z > 0, \\ \alpha & z \le 0 \end{cases}

    Parameters
    ----------
    z
        The pre-activation of each unit.
    alpha
        The slope :math:`\alpha` below zero.

    Returns
    -------
    derivative
        One where ``z`` is positive, else ``alpha``.

    Examples
    --------
    An inactive unit still gets a hundredth of the gradient:

    >>> import numpy as np
    >>> from dlnotes.networks.rectifiers import leaky_relu_derivative
    >>> leaky_relu_derivative(np.array([-5.0, 0.0, 5.0]))
    array([0.01, 0.01, 1.  ])
    """
    active = relu_derivative(z)
    return active + alpha * (1 - active)


@checked
def prelu(
    z: Float[Array, "*batch units"], alpha: Float[Array, "units"]
) -> Float[Array, "*batch units"]:
    r"""Multiply negative pre-activations by a slope that is learned.

    It is the leaky ReLU, whose slope :math:`\alpha_k` below zero is a parameter of the
    unit :math:`k`:

    .. math::
       :label: eq-prelu

       f(z_k) = \max(0, z_k) + \alpha_k \min(0, z_k)

    Parameters
    ----------
    z
        The pre-activation of each unit.
    alpha
        The slope :math:`\alpha_k` of each unit below zero.

    Returns
    -------
    a
        The activation of each unit.

    Examples
    --------
    A slope of 1 makes a unit linear, and a slope of -1 makes it the absolute value:

    >>> import numpy as np
    >>> from dlnotes.networks.rectifiers import prelu
    >>> prelu(np.array([[-3.0, -3.0], [2.0, 2.0]]), np.array([1.0, -1.0]))
    array([[-3.,  3.],
           [ 2.,  2.]])
    """
    xp = array_namespace(z)
    return xp.where(z > 0, z, 0) + alpha * xp.where(z > 0, 0, z)


@checked
def prelu_backward(
    z: Float[Array, "*batch units"],
    alpha: Float[Array, "units"],
    upstream: Float[Array, "*batch units"],
) -> tuple[Float[Array, "*batch units"], Float[Array, "units"]]:
    r"""Take the gradient back through a PReLU, to its slopes too.

    An instance counts for the slope if its pre-activation is negative, as much as that
    is; :math:`n` runs over the instances, and zero counts as negative for :math:`z`:

    .. math::
       :label: eq-prelu-gradient

       \frac{\partial L}{\partial z_{nk}} &= \frac{\partial L}{\partial a_{nk}}
       \begin{cases} 1 & z_{nk} > 0, \\ \alpha_k & z_{nk} \le 0 \end{cases} \\
       \frac{\partial L}{\partial \alpha_k} &= \sum_n
       \frac{\partial L}{\partial a_{nk}} \min(0, z_{nk})

    Parameters
    ----------
    z
        The pre-activation of each unit.
    alpha
        The slope of each unit below zero.
    upstream
        The gradient of the loss with respect to the activations.

    Returns
    -------
    z_gradient
        The gradient with respect to the pre-activations.
    alpha_gradient
        The gradient with respect to the slopes.

    Examples
    --------
    Two instances of one unit.  Only the negative one counts for the slope:

    >>> import numpy as np
    >>> from dlnotes.networks.rectifiers import prelu_backward
    >>> upstream, z = np.array([[10.0], [10.0]]), np.array([[-3.0], [2.0]])
    >>> z_gradient, alpha_gradient = prelu_backward(z, np.array([0.25]), upstream)
    >>> z_gradient.tolist(), alpha_gradient.tolist()
    ([[2.5], [10.0]], [-30.0])
    """
    xp, instances = array_namespace(z), tuple(range(z.ndim - 1))
    below = xp.where(z > 0, 0, z)
    alpha_gradient = xp.sum(upstream * below, axis=instances)
    return upstream * xp.where(z > 0, 1, alpha), alpha_gradient


@checked
def elu(z: Float[Array, "*shape"], *, alpha: float = 1.0) -> Float[Array, "*shape"]:
    r"""Let negative pre-activations level off at a negative number.

    Above zero it is the ReLU; below, it falls exponentially toward :math:`-\alpha`:

    .. math::
       :label: eq-elu

       f(z) = \begin{cases} z & z > 0, \\ \alpha\,(e^z - 1) & z \le 0 \end{cases}

    Parameters
    ----------
    z
        The pre-activation of each unit.
    alpha
        The number :math:`\alpha`: far below zero the activation is close to
        :math:`-\alpha`.

    Returns
    -------
    a
        The activation of each unit.

    Examples
    --------
    Just below zero it is almost the line through the origin; far below, it saturates:

    >>> import numpy as np
    >>> from dlnotes.networks.rectifiers import elu
    >>> elu(np.array([2.0, -0.01, -10.0, -20.0])).round(3).tolist()
    [2.0, -0.01, -1.0, -1.0]
    """
    xp = array_namespace(z)
    below = xp.where(z > 0, 0.0, z)
    return relu(z) + alpha * xp.expm1(below)


@checked
def elu_derivative(
    z: Float[Array, "*shape"], *, alpha: float = 1.0
) -> Float[Array, "*shape"]:
    r"""Differentiate the ELU.

    Below zero the derivative is the activation plus :math:`\alpha`:

    .. math::
       :label: eq-elu-derivative

       f'(z) = \begin{cases} 1 & z > 0, \\ \alpha\,e^z & z \le 0 \end{cases}

    Parameters
    ----------
    z
        The pre-activation of each unit.
    alpha
        The number :math:`\alpha`: far below zero the activation is close to
        :math:`-\alpha`.

    Returns
    -------
    derivative
        One where ``z`` is positive, else the activation plus ``alpha``.

    Examples
    --------
    Where the activation is minus one half, one half of the derivative is left:

    >>> import numpy as np
    >>> from dlnotes.networks.rectifiers import elu, elu_derivative
    >>> z = np.log(np.array([0.5]))
    >>> elu(z), elu_derivative(z)
    (array([-0.5]), array([0.5]))
    """
    xp = array_namespace(z)
    below, active = xp.where(z > 0, 0.0, z), relu_derivative(z)
    return active + alpha * (1 - active) * xp.exp(below)


@checked
def selu(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    r"""Scale an ELU so that activations keep mean 0 and variance 1.

    With two fixed numbers, a scale :math:`\lambda` and the level of an ELU
    :math:`\alpha`, it is

    .. math::
       :label: eq-selu

       f(z) = \lambda \begin{cases} z & z > 0, \\ \alpha\,(e^z - 1) & z \le 0
       \end{cases}, \qquad \lambda \approx 1.0507, \quad \alpha \approx 1.6733

    Parameters
    ----------
    z
        The pre-activation of each unit.

    Returns
    -------
    a
        The activation of each unit.

    Examples
    --------
    A million standard normal numbers keep their mean and their variance:

    >>> import numpy as np
    >>> from dlnotes.networks.rectifiers import selu
    >>> a = selu(np.random.default_rng(0).normal(size=1_000_000))
    >>> abs(a.mean()).round(2), a.var().round(2)
    (np.float64(0.0), np.float64(1.0))
    """
    return SELU_SCALE * elu(z, alpha=SELU_ALPHA)


@checked
def selu_derivative(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    r"""Differentiate the SELU.

    It is that of the ELU, scaled, and above zero it is more than one:

    .. math::
       :label: eq-selu-derivative

       f'(z) = \lambda \begin{cases} 1 & z > 0, \\ \alpha\,e^z & z \le 0 \end{cases}

    Parameters
    ----------
    z
        The pre-activation of each unit.

    Returns
    -------
    derivative
        The derivative at each.

    Examples
    --------
    It jumps at zero, from the product of both numbers down to the scale:

    >>> import numpy as np
    >>> from dlnotes.networks.rectifiers import selu_derivative
    >>> selu_derivative(np.array([-1e-9, 1e-9])).round(4).tolist()
    [1.7581, 1.0507]
    """
    return SELU_SCALE * elu_derivative(z, alpha=SELU_ALPHA)
