"""The part of the command ``dlnotes`` that lists, shows and measures claims."""

import argparse
import inspect
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from dlnotes.claims import Finding, ledger


def add(topics: Any) -> None:
    """Add ``dlnotes claims`` to the command.

    Parameters
    ----------
    topics
        What `argparse` returns for the subcommands of a command.
    """
    claims = topics.add_parser("claims", help="list, show or measure a claim")
    actions = claims.add_subparsers(required=True)
    actions.add_parser("list", help="name every claim").set_defaults(act=_list)
    show = actions.add_parser("show", help="print a claim and the result on record")
    show.add_argument("claim", type=_claim)
    show.add_argument("--results", type=Path, default=ledger.RESULTS, metavar="FOLDER")
    show.set_defaults(act=_show)
    run = actions.add_parser("run", help="measure claims, here and now")
    every_stale = "all that have no result of the present code, if none is named"
    run.add_argument(
        "claims", nargs="*", type=_claim, metavar="claim", help=every_stale
    )
    run.add_argument("--seeds", type=_seeds, help="how many, if not as its rule says")
    run.add_argument(
        "--device", type=_device, default="cpu", help="where PyTorch computes"
    )
    run.add_argument("--save", type=_folder, metavar="FOLDER", help="put it on record")
    run.set_defaults(act=_run)


def _list(_chosen: argparse.Namespace) -> int:
    for name in ledger.experiments():
        print(f"{name}: {ledger.statement(name)}")
    return 0


def _show(chosen: argparse.Namespace) -> int:
    print(inspect.getdoc(ledger.experiments()[chosen.claim].measure), end="\n\n")
    try:
        _report(ledger.load(chosen.claim, chosen.results).finding)
    except FileNotFoundError:
        print(f"No result in {chosen.results}. Measure it: dlnotes claims run ID")
        return 1
    return 0


def _run(chosen: argparse.Namespace) -> int:
    for name in chosen.claims or filter(ledger.stale, ledger.experiments()):
        wanted = ledger.experiments()[name].seeds
        seeds = 1 if wanted == 1 else chosen.seeds or wanted
        print(f"{name}: {ledger.statement(name)}", flush=True)
        result = ledger.run(name, range(seeds), chosen.device)
        _report(result.finding)
        print(f"{result.seconds} s on {result.device}", end="\n\n")
        if chosen.save is not None:
            ledger.save(result, chosen.save)
    return 0


def _claim(name: str) -> str:
    names = ledger.experiments()
    if name not in names:
        near = get_close_matches(name, names, n=3, cutoff=0.3) or sorted(names)
        raise argparse.ArgumentTypeError(f"no claim {name}; try {', '.join(near)}")
    return name


def _seeds(text: str) -> int:
    if not text.isdecimal() or int(text) < 2:
        raise argparse.ArgumentTypeError(f"a spread needs 2 seeds or more, got {text}")
    return int(text)


def _device(name: str) -> str:
    try:
        ledger.on(name)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return name


def _folder(text: str) -> Path:
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"{text} is no folder")
    return Path(text)


def _report(finding: Finding) -> None:
    print(f"It {finding.verdict}: {finding.because}.")
    print(*filter(None, [*ledger.summary(finding), finding.remark]), sep="\n")
