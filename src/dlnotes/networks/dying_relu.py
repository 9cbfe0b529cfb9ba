r"""Dying ReLU.

A unit with a ReLU is dead if it is active for no instance: no gradient reaches its
weights, and plain gradient descent leaves them as they are. Maas et al. (2013) gave
units a leak for that reason. Lu et al. (2020) proved that with symmetric weights and
zero biases a ReLU network of given width is dead from the start with a probability that
goes to one as layers are added.

References
----------
* A. L. Maas, A. Y. Hannun and A. Y. Ng (2013). Rectifier nonlinearities improve neural
  network acoustic models. *ICML Workshop on Deep Learning for Audio, Speech and
  Language Processing*.
  https://ai.stanford.edu/~amaas/papers/relu_hybrid_icml2013_final.pdf
* S. Ioffe and C. Szegedy (2015). Batch normalization: accelerating deep network
  training by reducing internal covariate shift. *International Conference on Machine
  Learning*. https://arxiv.org/abs/1502.03167
* L. Lu, Y. Shin, Y. Su and G. E. Karniadakis (2020). Dying ReLU and initialization:
  theory and numerical examples. *Communications in Computational Physics* 28(5).
  https://doi.org/10.4208/cicp.OA-2020-0165
"""

from jaxtyping import Bool, Float

from dlnotes.arrays import Array, array_namespace, checked


@checked
def dead_units(Z: Float[Array, "batch units"]) -> Bool[Array, "units"]:
    r"""Tell which units are dead: active for no instance.

    Unit :math:`i` is dead for a data set if no pre-activation :math:`z_{ni}`, whatever
    the instance :math:`n`, is positive:

    .. math::
       :label: eq-dead-unit

       \max_n z_{ni} \le 0

    Zero counts as inactive, as in :func:`~dlnotes.networks.rectifiers.relu_derivative`.

    Parameters
    ----------
    Z
        The pre-activations of a layer, one instance a row.

    Returns
    -------
    dead
        Whether each unit is dead.  NaN counts as active: there is a gradient, too, NaN.

    Raises
    ------
    ValueError
        If there is no instance.

    Examples
    --------
    The first unit is active for one instance of three, which is enough; the second one
    gets no further than zero:

    >>> import numpy as np
    >>> from dlnotes.networks.dying_relu import dead_units
    >>> dead_units(np.array([[-9.0, -1.0], [0.5, 0.0], [-9.0, -2.0]]))
    array([False,  True])
    """
    if Z.shape[0] == 0:
        raise ValueError("Z must have an instance, a row, got none")
    return array_namespace(Z).all(Z <= 0, axis=0)


@checked
def dead_fraction(Z: Float[Array, "batch units"]) -> Float[Array, ""]:
    r"""Return the share of units that are dead.

    Of :math:`m` units, the share that :eq:`eq-dead-unit` holds for is

    .. math::
       :label: eq-dead-fraction

       \frac{1}{m} \sum_{i=1}^{m} \mathbf{1}\bigl[\max_n z_{ni} \le 0\bigr]

    Parameters
    ----------
    Z
        The pre-activations of a layer for a whole data set, one instance a row.

    Returns
    -------
    fraction
        A number from zero to one.

    Raises
    ------
    ValueError
        If there is no instance, or no unit.

    Examples
    --------
    Six of eight activations are zero, but only two of four units are dead:

    >>> import numpy as np
    >>> from dlnotes.networks.dying_relu import dead_fraction
    >>> Z = np.array([[1.0, -1.0, -1.0, -1.0], [-1.0, 1.0, -1.0, -1.0]])
    >>> float(dead_fraction(Z)), float((Z <= 0).mean())
    (0.5, 0.75)
    """
    if Z.shape[1] == 0:
        raise ValueError("Z must have a unit, a column, got none")
    xp = array_namespace(Z)
    return xp.mean(xp.astype(dead_units(Z), Z.dtype))
