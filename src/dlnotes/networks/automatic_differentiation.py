r"""Automatic differentiation.

A program that computes a number is made of operations whose derivatives are known.  If
each operation is recorded when it is done, the chain rule can be applied to the record,
whatever the program was for.  Going through it from the last operation to the first
gives the derivative of one number with respect to all others in a single pass.  This is
reverse-mode automatic differentiation (Linnainmaa, 1970), of which backpropagation is
the use for networks.  From the first to the last, forward mode (Wengert, 1964), a pass
gives the derivatives of all numbers with respect to one.

References
----------
* R. E. Wengert (1964). A simple automatic derivative evaluation program.
  *Communications of the ACM* 7(8). https://doi.org/10.1145/355586.364791
* S. Linnainmaa (1976). Taylor expansion of the accumulated rounding error. *BIT* 16,
  after his thesis of 1970. https://doi.org/10.1007/BF01931367
* A. Griewank and A. Walther (2008). *Evaluating Derivatives*, second edition. SIAM.
  https://doi.org/10.1137/1.9780898717761
* T. Chen, B. Xu, C. Zhang and C. Guestrin (2016). Training deep nets with sublinear
  memory cost. https://arxiv.org/abs/1604.06174
* A. G. Baydin, B. A. Pearlmutter, A. A. Radul and J. M. Siskind (2018). Automatic
  differentiation in machine learning: a survey. *Journal of Machine Learning Research*
  18. https://arxiv.org/abs/1502.05767
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Generic

from jaxtyping import Float

from dlnotes.arrays import Array, anywhere, array_namespace, checked
from dlnotes.checks import at_least, integer


@checked
def reverse_mode(D: Float[Array, "nodes nodes"]) -> Float[Array, "nodes"]:
    r"""Differentiate the last node of a graph with respect to every node.

    The nodes :math:`v_1, \dots, v_n` are numbered in the order in which they are
    computed.  :math:`D_{ij}` is the local derivative of :math:`v_i` with respect to a
    :math:`v_j` that it uses directly, and zero if it does not use it.  From the last
    node to the first, each gets a share from every node that uses it:

    .. math::
       :label: eq-reverse-mode

       \frac{\partial v_n}{\partial v_n} = 1, \qquad
       \frac{\partial v_n}{\partial v_j}
       = \sum_{i = j + 1}^{n} \frac{\partial v_n}{\partial v_i} \, D_{ij}

    Parameters
    ----------
    D
        The local derivatives, strictly lower triangular.

    Returns
    -------
    gradient
        The total derivative of the last node with respect to each.

    Raises
    ------
    ValueError
        If there is no node, or if a node uses itself or a later one.

    Examples
    --------
    With x = 3, u = x * x has the local derivatives 3 and 3, which are added up, and
    u + x has 1 and 1.  The derivative of x * x + x is 2 * 3 + 1:

    >>> import numpy as np
    >>> from dlnotes.networks.automatic_differentiation import reverse_mode
    >>> reverse_mode(np.array([[0.0, 0.0, 0.0], [6.0, 0.0, 0.0], [1.0, 1.0, 0.0]]))
    array([7., 1., 1.])
    """
    _check_order(D)
    xp, nodes = array_namespace(D), D.shape[0]
    gradient = xp.concat([xp.zeros_like(D[0, 1:]), xp.ones_like(D[0, :1])])
    for i in range(nodes - 1, 0, -1):
        gradient = gradient + _share(gradient[i], D[i])
    return gradient


@checked
def forward_mode(D: Float[Array, "nodes nodes"], j: int) -> Float[Array, "nodes"]:
    r"""Differentiate every node of a graph with respect to one of them.

    From the first node to the last, each adds up what comes from the nodes that it
    uses:

    .. math::
       :label: eq-forward-mode

       \frac{\partial v_j}{\partial v_j} = 1, \qquad
       \frac{\partial v_i}{\partial v_j}
       = \sum_{k = j}^{i - 1} D_{ik} \, \frac{\partial v_k}{\partial v_j}
       \quad \text{for } i > j

    Parameters
    ----------
    D
        The local derivatives, strictly lower triangular, as in :func:`reverse_mode`.
    j
        Which node, counted from zero.

    Returns
    -------
    tangent
        The total derivative of each node; zero for those before node j.

    Raises
    ------
    ValueError
        If a node uses itself or a later one, or there is no node j.

    Examples
    --------
    For x * x + x at x = 3, the second node moves six times as fast as x, and the third
    seven times:

    >>> import numpy as np
    >>> from dlnotes.networks.automatic_differentiation import forward_mode
    >>> D = np.array([[0.0, 0.0, 0.0], [6.0, 0.0, 0.0], [1.0, 1.0, 0.0]])
    >>> forward_mode(D, 0)
    array([1., 6., 7.])
    """
    _check_order(D)
    xp, nodes = array_namespace(D), D.shape[0]
    integer(0, j=j)
    if j >= nodes:
        raise ValueError(f"j must be less than {nodes}, the number of nodes, got {j}")
    tangent = xp.concat([xp.zeros_like(D[0, :j]), xp.ones_like(D[0, :1])])
    for i in range(j + 1, nodes):
        rate = xp.sum(_share(tangent, D[i, :i]), keepdims=True)
        tangent = xp.concat([tangent, rate])
    return tangent


@dataclass(frozen=True, eq=False)
class Node(Generic[Array]):
    """A value, the nodes that it was computed from, and a VJP for each of these.

    A node without parents is an input.  Arithmetic with a node gives another node; a
    number or an array on the other side becomes one.
    """

    value: Float[Array, "..."]
    parents: tuple["Node[Array]", ...] = field(default=(), repr=False)
    vjps: tuple[Callable[[Array], Array], ...] = field(default=(), repr=False)

    __array_ufunc__ = None  # so that NumPy leaves `array * node` to the node

    def __add__(self, other: "Node[Array] | Array | float") -> "Node[Array]":
        """Return self + other."""
        return add(self, _node(other, self))

    def __mul__(self, other: "Node[Array] | Array | float") -> "Node[Array]":
        """Return self * other."""
        return multiply(self, _node(other, self))

    def __matmul__(self, other: "Node[Array] | Array | float") -> "Node[Array]":
        """Return self @ other."""
        return matmul(self, _node(other, self))

    def __rmatmul__(self, other: "Node[Array] | Array | float") -> "Node[Array]":
        """Return other @ self."""
        return matmul(_node(other, self), self)

    def __neg__(self) -> "Node[Array]":
        """Return -self."""
        return self * -1.0

    def __sub__(self, other: "Node[Array] | Array | float") -> "Node[Array]":
        """Return self - other."""
        return self + -_node(other, self)

    def __rsub__(self, other: "Node[Array] | Array | float") -> "Node[Array]":
        """Return other - self."""
        return other + -self

    def __truediv__(self, other: "Node[Array] | Array | float") -> "Node[Array]":
        """Return self / other."""
        return _divide(self, _node(other, self))

    def __rtruediv__(self, other: "Node[Array] | Array | float") -> "Node[Array]":
        """Return other / self."""
        return _node(other, self) / self

    def __pow__(self, exponent: float) -> "Node[Array]":
        """Return self ** exponent, for a number of at least 1."""
        at_least(1, exponent=exponent)
        return elementwise(
            self, lambda v: v**exponent, lambda v: exponent * v ** (exponent - 1)
        )

    __radd__, __rmul__ = __add__, __mul__


@checked
def add(x: Node[Array], y: Node[Array]) -> Node[Array]:
    r"""Add two nodes, entry by entry.

    With the upstream gradient :math:`\mathbf{G} = \partial L / \partial \mathbf{Y}` of
    the result :math:`\mathbf{Y}`, both get it as it is:

    .. math::
       :label: eq-add-vjp

       \mathbf{Y} = \mathbf{A} + \mathbf{B}: \qquad
       \frac{\partial L}{\partial \mathbf{A}} = \mathbf{G}, \qquad
       \frac{\partial L}{\partial \mathbf{B}} = \mathbf{G}

    summed over the axes that were broadcast, by :func:`unbroadcast`.

    Parameters
    ----------
    x, y
        What to add; shapes that broadcast.

    Returns
    -------
    node
        The sum.

    Examples
    --------
    A bias that is added to each of three instances gets the sum of their gradients:

    >>> import numpy as np
    >>> from dlnotes.networks.automatic_differentiation import Node, add
    >>> node = add(Node(np.zeros((3, 2))), Node(np.array([5.0, 7.0])))
    >>> node.vjps[1](np.ones((3, 2)))
    array([3., 3.])
    """
    return Node(
        x.value + y.value,
        (x, y),
        (
            lambda upstream: unbroadcast(upstream, x.value.shape),
            lambda upstream: unbroadcast(upstream, y.value.shape),
        ),
    )


@checked
def multiply(x: Node[Array], y: Node[Array]) -> Node[Array]:
    r"""Multiply two nodes, entry by entry.

    Each gets the upstream gradient times the other:

    .. math::
       :label: eq-multiply-vjp

       \mathbf{Y} = \mathbf{A} \odot \mathbf{B}: \qquad
       \frac{\partial L}{\partial \mathbf{A}} = \mathbf{G} \odot \mathbf{B}, \qquad
       \frac{\partial L}{\partial \mathbf{B}} = \mathbf{G} \odot \mathbf{A}

    Parameters
    ----------
    x, y
        What to multiply; shapes that broadcast.

    Returns
    -------
    node
        The product.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnotes.networks.automatic_differentiation import Node, multiply
    >>> node = multiply(Node(np.asarray(3.0)), Node(np.asarray(2.0)))
    >>> [float(vjp(np.asarray(10.0))) for vjp in node.vjps]
    [20.0, 30.0]
    """
    return Node(
        x.value * y.value,
        (x, y),
        (
            lambda upstream: unbroadcast(upstream * y.value, x.value.shape),
            lambda upstream: unbroadcast(upstream * x.value, y.value.shape),
        ),
    )


@checked
def matmul(x: Node[Array], y: Node[Array]) -> Node[Array]:
    r"""Multiply two matrices, or stacks of them.

    A shared axis of two of the three arrays is what the third does not have, so only
    one order and transposition fits:

    .. math::
       :label: eq-matmul-vjp

       \mathbf{Y} = \mathbf{A} \mathbf{B}: \qquad
       \frac{\partial L}{\partial \mathbf{A}} = \mathbf{G} \, \mathbf{B}^\top, \qquad
       \frac{\partial L}{\partial \mathbf{B}} = \mathbf{A}^\top \mathbf{G}

    Parameters
    ----------
    x, y
        Matrices, as the last two axes.

    Returns
    -------
    node
        The product.

    Raises
    ------
    ValueError
        If one of the two has fewer than two axes.

    Examples
    --------
    The weights' gradient of a layer, from its inputs and its upstream gradient:

    >>> import numpy as np
    >>> from dlnotes.networks.automatic_differentiation import Node, matmul
    >>> X = Node(np.array([[1.0, 2.0], [3.0, -1.0]]))
    >>> node = matmul(X, Node(np.array([[1.0, 0.0], [2.0, -1.0]])))
    >>> node.vjps[1](np.array([[2.0, -2.0], [4.0, 6.0]]))
    array([[ 14.,  16.],
           [  0., -10.]])
    """
    _check_matrices(x=x, y=y)
    xp = array_namespace(x.value)

    def to_x(upstream: Array) -> Array:
        return unbroadcast(upstream @ xp.matrix_transpose(y.value), x.value.shape)

    def to_y(upstream: Array) -> Array:
        return unbroadcast(xp.matrix_transpose(x.value) @ upstream, y.value.shape)

    return Node(x.value @ y.value, (x, y), (to_x, to_y))


@checked
def elementwise(
    x: Node[Array],
    function: Callable[[Array], Array],
    derivative: Callable[[Array], Array],
) -> Node[Array]:
    r"""Apply a function to each entry of a node.

    The Jacobian of an elementwise function is diagonal, so the product with it is an
    entrywise one:

    .. math::
       :label: eq-elementwise-vjp

       \mathbf{Y} = f(\mathbf{A}): \qquad
       \frac{\partial L}{\partial \mathbf{A}} = \mathbf{G} \odot f'(\mathbf{A})

    Parameters
    ----------
    x
        To what to apply it.
    function, derivative
        The function and its derivative, such as ``relu`` and ``relu_derivative``.

    Returns
    -------
    node
        The function of each entry.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnotes.networks.automatic_differentiation import Node, elementwise
    >>> from dlnotes.networks.rectifiers import relu, relu_derivative
    >>> node = elementwise(Node(np.array([-1.0, 2.0])), relu, relu_derivative)
    >>> node.value, node.vjps[0](np.array([5.0, 5.0]))
    (array([0., 2.]), array([0., 5.]))
    """
    return Node(
        function(x.value), (x,), (lambda upstream: upstream * derivative(x.value),)
    )


@checked
def total(x: Node[Array]) -> Node[Array]:
    r"""Add up all entries of a node.

    Each entry gets the upstream gradient, which is one number:

    .. math::
       :label: eq-total-vjp

       y = \sum_{ij} A_{ij}: \qquad
       \frac{\partial L}{\partial A_{ij}} = \frac{\partial L}{\partial y}

    Parameters
    ----------
    x
        What to add up.

    Returns
    -------
    node
        The sum, a node without axes.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnotes.networks.automatic_differentiation import Node, total
    >>> node = total(Node(np.array([1.0, 2.0, 3.0])))
    >>> node.vjps[0](np.asarray(5.0))
    array([5., 5., 5.])
    """
    xp, shape = array_namespace(x.value), x.value.shape
    return Node(
        xp.sum(x.value), (x,), (lambda upstream: xp.broadcast_to(upstream, shape),)
    )


@checked
def unbroadcast(
    upstream: Float[Array, "..."], shape: tuple[int, ...]
) -> Float[Array, "..."]:
    r"""Sum a gradient over the axes along which its array was broadcast.

    If entry :math:`j` of an array :math:`\mathbf{a}` was copied to several entries
    :math:`i` of :math:`\mathbf{Y}`, it has a share in each:

    .. math::
       :label: eq-broadcast-vjp

       \frac{\partial L}{\partial a_j}
       = \sum_{i \text{ a copy of } j} \frac{\partial L}{\partial Y_i}

    Parameters
    ----------
    upstream
        The gradient with respect to the copies.
    shape
        The shape of the array before it was broadcast.

    Returns
    -------
    gradient
        The gradient with respect to the array, of its shape.

    Raises
    ------
    ValueError
        If an array of that shape does not broadcast to that of the gradient.

    Examples
    --------
    Two numbers were copied to three columns, so each row is added up:

    >>> import numpy as np
    >>> from dlnotes.networks.automatic_differentiation import unbroadcast
    >>> unbroadcast(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), (2, 1))
    array([[ 6.],
           [15.]])
    """
    if upstream.shape == shape:
        return upstream
    xp, new = array_namespace(upstream), upstream.ndim - len(shape)
    kept = upstream.shape[max(new, 0) :]
    if new < 0 or any(a not in (1, b) for a, b in zip(shape, kept, strict=True)):
        raise ValueError(
            f"shape must broadcast to {tuple(upstream.shape)}, got {tuple(shape)}"
        )
    copied = [k for k in range(upstream.ndim) if k < new or shape[k - new] == 1]
    return xp.reshape(xp.sum(upstream, axis=tuple(copied)), shape)


@checked
def topological_order(output: Node[Array]) -> list[Node[Array]]:
    r"""List the nodes that a node was computed from, each after its parents.

    A node is listed when all its parents are, so the order is one in which the nodes
    could have been computed, and the node itself is the last.

    Parameters
    ----------
    output
        The node to end with.

    Returns
    -------
    order
        Each node that leads to it, once.

    Examples
    --------
    A node that is used twice is listed once:

    >>> import numpy as np
    >>> from dlnotes.networks.automatic_differentiation import Node, topological_order
    >>> x = Node(np.asarray(3.0))
    >>> [float(node.value) for node in topological_order(x * x + x)]
    [3.0, 9.0, 12.0]
    """
    order, seen, stack = [], set(), [(output, False)]
    while stack:
        node, after_its_parents = stack.pop()
        if after_its_parents:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack += [(parent, False) for parent in node.parents]
    return order


@checked
def gradients(output: Node[Array], inputs: Sequence[Node[Array]]) -> list[Array]:
    r"""Differentiate a number with respect to nodes that it was computed from.

    In the reverse of the :func:`topological_order`, each node :math:`\mathbf{v}` hands
    its gradient to its parents :math:`\mathbf{u}`, through the VJPs of its operation:

    .. math::
       :label: eq-vjp

       \frac{\partial L}{\partial u_j} = \sum_{\mathbf{v}: \, \mathbf{u} \to \mathbf{v}}
       \ \sum_i \frac{\partial L}{\partial v_i} \frac{\partial v_i}{\partial u_j}

    The inner sum, over the entries of :math:`\mathbf{v}`, is the vector-Jacobian
    product.

    Parameters
    ----------
    output
        The number L, a node without axes.
    inputs
        With respect to which nodes.

    Returns
    -------
    gradients
        An array for each input, of its shape; zeros if it does not lead to the output.

    Raises
    ------
    ValueError
        If the output has axes.

    Examples
    --------
    The derivatives of x y (x y + x) are 2 x y y + 2 x y and 2 x x y + x x:

    >>> import numpy as np
    >>> from dlnotes.networks.automatic_differentiation import Node, gradients
    >>> x, y = Node(np.asarray(3.0)), Node(np.asarray(2.0))
    >>> u = x * y
    >>> [float(each) for each in gradients(u * (u + x), [x, y])]
    [36.0, 45.0]
    """
    if output.value.shape != ():
        raise ValueError(
            f"output must be a number, got the shape {tuple(output.value.shape)}; "
            f"total(output) is one"
        )
    order, xp = topological_order(output), array_namespace(output.value)
    wanted = set(inputs)
    for node in order:
        if any(parent in wanted for parent in node.parents):
            wanted.add(node)
    known = {output: xp.ones_like(output.value)}
    for node in reversed(order):
        for parent, vjp in zip(node.parents, node.vjps, strict=True):
            if parent in wanted:
                share = vjp(known[node])
                known[parent] = known[parent] + share if parent in known else share
    return [known[x] if x in known else xp.zeros_like(x.value) for x in inputs]


def _divide(x: Node[Array], y: Node[Array]) -> Node[Array]:
    """Divide a node by another, entry by entry, without a square that overflows."""
    value = x.value / y.value
    return Node(
        value,
        (x, y),
        (
            lambda upstream: unbroadcast(upstream / y.value, x.value.shape),
            lambda upstream: unbroadcast(-upstream * value / y.value, y.value.shape),
        ),
    )


def _node(operand: Node[Array] | Array | float, like: Node[Array]) -> Node[Array]:
    """Return a node as it is, and a number or an array as a node like another."""
    if isinstance(operand, Node):
        return operand
    if isinstance(operand, int | float | Real):  # of NumPy, too
        xp = array_namespace(like.value)
        zero = xp.sum(xp.reshape(like.value, (-1,))[:0])  # of its kind and device
        return Node(zero + float(operand))
    return Node(operand)


def _check_matrices(**nodes: Node[Array]) -> None:
    """Refuse a node with fewer than two axes."""
    for name, node in nodes.items():
        if node.value.ndim < 2:
            raise ValueError(
                f"{name} must be a matrix, got the shape {tuple(node.value.shape)}"
            )


def _share(derivative: Array, local: Array) -> Array:
    """Multiply two derivatives; zero means no path, and cuts off infinity, too."""
    xp = array_namespace(local)
    endless = ~xp.isfinite(derivative) | ~xp.isfinite(local)
    cut = endless & ((derivative == 0) | (local == 0))
    return xp.where(cut, 0.0, derivative) * xp.where(cut, 0.0, local)


def _check_order(D: Array) -> None:
    """Refuse what is not strictly lower triangular, where the numbers can be seen."""
    if D.shape[0] == 0:
        raise ValueError("D must have a node, got none")
    late = array_namespace(D).triu(D)
    if anywhere(late != 0):
        raise ValueError(
            f"D must be zero on and above its diagonal, for a node uses only earlier "
            f"ones, got {float(late[late != 0][0])}"
        )
