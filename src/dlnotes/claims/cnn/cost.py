"""Claims about what a convolutional layer costs."""

from collections.abc import Sequence

import torch
from torch.utils.flop_counter import FlopCounterMode

from dlnotes.claims import Finding, Row, claim
from dlnotes.claims.evidence import Ruling, by_method, decide, rows
from dlnotes.lab.models import NETWORKS, Conv, Dense, Layer, build_layers
from dlnotes.wording import join_words


@claim("claim-conv-dominates-compute", seeds=1)
def conv_dominates_compute(_seeds: Sequence[int]) -> Finding:
    """The convolutional layers do most of the computation.

    The multiply-adds of one image are counted layer by layer, from the shapes, in
    AlexNet (227 pixels wide, without its groups), in VGG-11 (224 pixels), in the CIFAR
    network with fifteen filters, and in that network with 300 hidden units between its
    one convolutional layer and its outputs; PyTorch's counter has to agree.  The claim
    holds if the convolutional layers do more than half of them in all four.  It holds
    conditionally if they do so in two or three, and fails if in one or none.  An
    earlier rule did not have the fourth network, and no verdict of it could say that it
    depends on what stands behind the convolutions.
    """
    found: list[Row] = []
    for name, (width, layers) in FOUR.items():
        work, weights = counted(name, width, layers)
        found += rows("share of the multiply-adds", {name: [share(layers, work)]})
        found += rows("share of the parameters", {name: [share(layers, weights)]})
    verdict, because, condition = judge_work(found)
    shapes = "the shapes of four networks"
    return Finding(verdict, because, shapes, tuple(found), condition)


WIDTH, (CONVOLUTION, POOLING, OUTPUTS) = NETWORKS["the CIFAR network"]
FOUR: dict[str, tuple[int, Sequence[Layer]]] = {
    **NETWORKS,
    "the CIFAR network with 300 hidden units": (
        WIDTH,
        (CONVOLUTION, POOLING, Dense(300), OUTPUTS),
    ),
}


def counted(
    name: str, width: int, layers: Sequence[Layer]
) -> tuple[Sequence[int], Sequence[int]]:
    """Count multiply-adds and parameters, layer by layer, as PyTorch does in all."""
    modules, work, weights = zip(*build_layers(layers, width), strict=True)
    model = torch.nn.Sequential(*modules)
    with FlopCounterMode(display=False) as counter:
        model(torch.empty(1, 3, width, width, device="meta"))
    parameters = sum(each.numel() for each in model.parameters())
    theirs = counter.get_total_flops() / 2, parameters
    if (sum(work), sum(weights)) != theirs:
        raise ArithmeticError(f"{name} has {theirs} in PyTorch, not {work}, {weights}")
    return work, weights


def share(layers: Sequence[Layer], counts: Sequence[int]) -> float:
    """Return the share of what was counted that is in convolutional layers."""
    each = zip(layers, counts, strict=True)
    return sum(n for layer, n in each if isinstance(layer, Conv)) / sum(counts)


def judge_work(found: Sequence[Row]) -> Ruling:
    """Judge the shares of the convolutional layers in the work of four networks."""
    work = by_method(found, "share of the multiply-adds")
    weights = by_method(found, "share of the parameters")
    most = [name for name, (share,) in work.items() if share > 0.5]
    others = [name for name in work if name not in most]
    verdict = decide(
        confirmed=len(most) == 4, conditional=len(most) >= 2, refuted=len(most) < 2
    )
    shares = join_words(
        [
            f"{work[name][0]:.1%} of the multiply-adds and {weights[name][0]:.1%} of "
            f"the parameters in {name}"
            for name in work
        ]
    )
    because = f"Without AlexNet's groups, the convolutional layers have {shares}."
    where = join_words(most or ["none"])
    return Ruling(
        verdict, because, f"in {where}, but not in {join_words(others or ['none'])}"
    )
