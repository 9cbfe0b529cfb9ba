r"""The McCulloch-Pitts neuron.

McCulloch and Pitts (1943) described a nerve cell by what it decides: it is active, or
it is not.  Their unit counts its active inputs and compares the number with a
threshold, and some inputs can forbid it to be active at all.  Nothing is learned, for
there are no weights.  Yet two layers of such units compute any function of any number
of bits, if a threshold may be 0 as it may here.  In 1943 a unit needed excitation to be
active, and a function that is 1 for zeros only needs an input that is always on.

References
----------
* W. S. McCulloch and W. Pitts (1943). A logical calculus of the ideas immanent in
  nervous activity. *The Bulletin of Mathematical Biophysics* 5.
  https://doi.org/10.1007/BF02478259
* S. C. Kleene (1956). Representation of events in nerve nets and finite automata. In
  *Automata Studies*, Princeton University Press.
  https://doi.org/10.1515/9781400882618-002
"""

from dataclasses import dataclass
from typing import Generic

from jaxtyping import Bool, Float

from dlnotes.arrays import (
    Array,
    ArrayTree,
    anywhere,
    array_namespace,
    checked,
    device_of,
)


@dataclass(frozen=True, eq=False)
class Links(ArrayTree, Generic[Array]):
    """The number of links from each input to each unit, and the units' thresholds.

    A column is a unit.  ``E`` counts the excitatory links, of which an input may have
    several to the same unit, and ``V`` the inhibitory ones, the vetoes.
    """

    E: Float[Array, "inputs units"]
    V: Float[Array, "inputs units"]
    theta: Float[Array, "units"]


@checked
def fire(
    links: Links[Array], X: Float[Array, "batch inputs"]
) -> Float[Array, "batch units"]:
    r"""Tell which units of a layer are active.

    A unit with threshold :math:`\theta` reads inputs :math:`x_i` that are 0 or 1.  With
    :math:`e_i` excitatory and :math:`v_i` inhibitory links from input :math:`i` its
    output is

    .. math::
       :label: eq-mcp-sum

       y = \mathbf{1}\Bigl[\, \sum_{i=1}^{N} e_i x_i \ge \theta \,\Bigr] \cdot
           \mathbf{1}\Bigl[\, \sum_{i=1}^{N} v_i x_i = 0 \,\Bigr]

    Parameters
    ----------
    links
        The links to each unit, and its threshold.
    X
        The inputs, each 0 or 1, one instance a row.

    Returns
    -------
    Y
        One where the unit is active, zero where it is not.

    Raises
    ------
    ValueError
        If an input is neither 0 nor 1.

    Examples
    --------
    Three excitatory inputs, a threshold of two, and a fourth input that vetoes: even
    all three together do not outweigh it.

    >>> import numpy as np
    >>> from dlnotes.neurons.mcculloch_pitts import Links, fire
    >>> alarm = Links(
    ...     E=np.array([[1.0], [1.0], [1.0], [0.0]]),
    ...     V=np.array([[0.0], [0.0], [0.0], [1.0]]),
    ...     theta=np.array([2.0]),
    ... )
    >>> X = np.array([[1.0, 0, 0, 0], [1, 0, 1, 0], [1, 1, 1, 0], [1, 1, 1, 1]])
    >>> fire(alarm, X)[:, 0]
    array([0., 1., 1., 0.])
    """
    xp = array_namespace(X)
    _check_bits("X", X)
    excitation, veto = X @ links.E, X @ links.V
    return xp.astype((excitation >= links.theta) & (veto == 0), X.dtype)


@checked
def truth_table_inputs(outputs: Float[Array, "rows"]) -> Float[Array, "rows inputs"]:
    r"""List the inputs of a truth table: every row of zeros and ones, in order.

    Row :math:`k`, counted from 0, of a table with :math:`N` inputs is the number
    :math:`k` in binary digits:

    .. math::
       :label: eq-truth-table

       x_{k,i} = \bigl\lfloor k \,/\, 2^{N - i} \bigr\rfloor \bmod 2, \qquad
       i = 1, \dots, N

    Parameters
    ----------
    outputs
        The right side of the table, :math:`2^N` numbers.

    Returns
    -------
    X
        The left side of the table.

    Raises
    ------
    ValueError
        If the number of rows is no power of two.

    Examples
    --------
    Eight rows are those of three inputs.  The sixth row, number 5, is 4 + 1:

    >>> import numpy as np
    >>> from dlnotes.neurons.mcculloch_pitts import truth_table_inputs
    >>> truth_table_inputs(np.zeros(8))[5]
    array([1., 0., 1.])
    """
    xp = array_namespace(outputs)
    rows = outputs.shape[0]
    inputs = rows.bit_length() - 1
    if rows != 2.0**inputs:
        raise ValueError(f"outputs must have 1, 2, 4, 8, ... rows, got {rows}")
    like = {"dtype": outputs.dtype, "device": device_of(outputs)}
    k, places = xp.arange(rows, **like), xp.arange(inputs - 1, -1, -1, **like)
    return xp.floor(k[:, None] / 2.0**places) % 2


@checked
def is_monotone(outputs: Float[Array, "rows"]) -> Bool[Array, ""]:
    r"""Tell whether a function never falls from 1 to 0 when an input rises from 0 to 1.

    With :math:`\mathbf{x} \le \mathbf{x}'` if no entry of :math:`\mathbf{x}` is above
    that of :math:`\mathbf{x}'`, a function is monotone if

    .. math::
       :label: eq-monotone

       \mathbf{x} \le \mathbf{x}' \quad \Longrightarrow \quad
       f(\mathbf{x}) \le f(\mathbf{x}')

    It is enough to compare rows that differ in one input, for the inputs can rise one
    after another.

    Parameters
    ----------
    outputs
        The output of each row of a truth table, 0 or 1, in the order of
        :func:`truth_table_inputs`.

    Returns
    -------
    monotone
        Whether the function is monotone.

    Raises
    ------
    ValueError
        If an output is neither 0 nor 1, or the number of rows is no power of two.

    Examples
    --------
    AND is.  A without B is not: it falls when B rises.

    >>> import numpy as np
    >>> from dlnotes.neurons.mcculloch_pitts import is_monotone
    >>> bool(is_monotone(np.array([0.0, 0.0, 0.0, 1.0])))
    True
    >>> bool(is_monotone(np.array([0.0, 0.0, 1.0, 0.0])))
    False
    """
    xp = array_namespace(outputs)
    _check_bits("outputs", outputs)
    inputs = truth_table_inputs(outputs).shape[1]
    monotone = xp.ones_like(outputs[0]) == 1
    for i in range(inputs):
        pairs = xp.reshape(outputs, (2**i, 2, -1))
        monotone = monotone & xp.all(pairs[:, 0] <= pairs[:, 1])
    return monotone


@checked
def minterms(outputs: Float[Array, "rows"]) -> Links[Array]:
    r"""Construct a unit for each row of a truth table whose output is 1.

    The ones of the row :math:`\mathbf{r}` excite the unit, the zeros veto it, and its
    threshold is the number of ones.  So it is active for this row, and for no other:

    .. math::
       :label: eq-minterm

       m_{\mathbf{r}}(\mathbf{x}) =
       \mathbf{1}\Bigl[\, \sum_i r_i x_i \ge \sum_i r_i \,\Bigr] \cdot
       \mathbf{1}\Bigl[\, \sum_i (1 - r_i)\, x_i = 0 \,\Bigr]
       = \mathbf{1}[\, \mathbf{x} = \mathbf{r} \,]

    Parameters
    ----------
    outputs
        The output of each row of the table, 0 or 1, in the order of
        :func:`truth_table_inputs`.

    Returns
    -------
    links
        The links of these units.

    Raises
    ------
    ValueError
        If an output is neither 0 nor 1, or the number of rows is no power of two.

    Examples
    --------
    XOR is 1 in two of its four rows.  In the first, B excites and A vetoes; in the
    second it is the reverse:

    >>> import numpy as np
    >>> from dlnotes.neurons.mcculloch_pitts import minterms
    >>> links = minterms(np.array([0.0, 1.0, 1.0, 0.0]))
    >>> links.E
    array([[0., 1.],
           [1., 0.]])
    >>> links.theta
    array([1., 1.])
    """
    xp = array_namespace(outputs)
    _check_bits("outputs", outputs)
    r = truth_table_inputs(outputs)[outputs == 1].T
    return Links(E=r, V=1 - r, theta=xp.sum(r, axis=0))


@checked
def normal_form(
    links: Links[Array], X: Float[Array, "batch inputs"]
) -> Float[Array, "batch"]:
    r"""Compute the output of two layers, the second of which is OR.

    With the :func:`minterms` of a function :math:`f` as first layer this is the
    *disjunctive normal form* of :math:`f`:

    .. math::
       :label: eq-disjunctive-normal-form

       f(\mathbf{x}) =
       \mathbf{1}\Bigl[\, \sum_{\mathbf{r}:\, f(\mathbf{r}) = 1}
       m_{\mathbf{r}}(\mathbf{x}) \ge 1 \,\Bigr]

    Parameters
    ----------
    links
        The links of the first layer.
    X
        The inputs, each 0 or 1, one instance a row.

    Returns
    -------
    y
        One where a unit of the first layer is active.

    Raises
    ------
    ValueError
        If an input is neither 0 nor 1.

    Examples
    --------
    Whether a number below 8 is prime is a function of its three bits:

    >>> import numpy as np
    >>> from dlnotes.neurons.mcculloch_pitts import minterms, normal_form
    >>> from dlnotes.neurons.mcculloch_pitts import truth_table_inputs
    >>> prime = np.array([0.0, 0, 1, 1, 0, 1, 0, 1])
    >>> np.flatnonzero(normal_form(minterms(prime), truth_table_inputs(prime)))
    array([2, 3, 5, 7])
    """
    xp = array_namespace(X)
    return xp.astype(xp.sum(fire(links, X), axis=1) >= 1, X.dtype)


def _check_bits(name: str, values: Array) -> None:
    """Refuse what is neither zero nor one, where the numbers can be looked at."""
    strange = (values != 0) & (values != 1)
    if anywhere(strange):
        raise ValueError(f"{name} must be 0 or 1, got {float(values[strange][0])}")
