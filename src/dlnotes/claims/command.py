"""The command ``dlnotes claims``: list, show, measure and carry over."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from difflib import get_close_matches
from math import inf
from multiprocessing import get_context
from pathlib import Path

from dlnotes.claims import carry, ledger
from dlnotes.claims.source import here


def add(topics: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command's parser to those of the other commands."""
    claims = topics.add_parser("claims", help="list, show or measure a claim")
    actions = claims.add_subparsers(required=True)
    every = actions.add_parser("list", help="name every claim, with its verdict")
    every.set_defaults(act=_list)
    show = actions.add_parser("show", help="print a claim and the result on record")
    show.add_argument("claim", type=_claim)
    show.set_defaults(act=_show)
    run = actions.add_parser("run", help="measure claims, here and now")
    run.add_argument("--seeds", type=_seeds, help="50-54, or how many, from 0")
    run.add_argument(
        "--device", type=_device, default="cpu", help="where PyTorch computes"
    )
    run.add_argument(
        "--workers", type=_workers, default=1, help="how many to measure at a time"
    )
    run.add_argument("--save", type=_folder, metavar="FOLDER", help="put it on record")
    run.set_defaults(act=_run)
    carried = actions.add_parser(
        "carry", help="keep results where only names or format have changed"
    )
    carried.add_argument("--from", dest="commit", required=True, metavar="COMMIT")
    carried.set_defaults(act=_carry)
    for parser in (run, carried):
        stale = "all without a result of the present code, if none is named"
        parser.add_argument(
            "claims", nargs="*", type=_claim, metavar="claim", help=stale
        )
    for parser in (every, show, run, carried):
        parser.add_argument(
            "--results",
            type=_folder,
            default=ledger.results_folder(),
            metavar="FOLDER",
            help="where results are, if not in the checkout",
        )


def _list(chosen: argparse.Namespace) -> int:
    for name, claim in ledger.declared().items():
        _say(f"{name}: {claim.statement}")
        try:
            result = ledger.load(name, chosen.results)
        except ledger.NoResultError:
            _say("  Not measured yet.")
            continue
        stale = ledger.stale(name, chosen.results)
        said = "  By older code it" if stale else "  It"
        _say(f"{said} {result.finding.outcome}; measured in {result.seconds:g} s.")
    return 0


def _show(chosen: argparse.Namespace) -> int:
    claim = ledger.declared()[chosen.claim]
    _say(f"{claim.statement}\n\n{claim.rule}\n")
    try:
        result = ledger.load(chosen.claim, chosen.results)
    except ledger.NoResultError as error:
        _say(f"{error}. Measure it: dlnotes claims run {chosen.claim}")
        return 1
    _report(result)
    if others := ledger.other_versions(result):
        _say(f"Measured with {others}, which is another version here.")
    if ledger.stale(chosen.claim, chosen.results):
        _say("The code or the rule has changed since.")
    return 0


def _run(chosen: argparse.Namespace) -> int:
    names = _wanted(chosen)
    for result in _measured(names or [], chosen):
        if chosen.workers > 1:
            _say(f"{result.claim}:")
        _report(result)
        _say(_agreement(result, chosen.results))
        _say(f"{result.seconds} s on {result.device}\n")
        if chosen.save is not None:
            ledger.save(result, chosen.save)
    return 2 if names is None else 0


def _measured(
    names: Sequence[str], chosen: argparse.Namespace
) -> Iterator[ledger.Result]:
    """Announce and measure claims: one after the other, or several at a time."""
    if chosen.workers == 1:
        for name in names:
            yield ledger.run(name, _announced(name, chosen), chosen.device)
        return
    started = sorted(names, key=lambda name: -_seconds(name, chosen.results))
    with ProcessPoolExecutor(chosen.workers, get_context("spawn")) as pool:
        running = [
            pool.submit(ledger.run, name, _announced(name, chosen), chosen.device)
            for name in started  # the longest first
        ]
        for each in as_completed(running):
            yield each.result()


def _announced(name: str, chosen: argparse.Namespace) -> Sequence[int]:
    """Say what is measured and for how long, and return the seeds."""
    claim = ledger.declared()[name]
    exact = len(claim.seeds) == 1
    seeds = claim.seeds if exact else chosen.seeds or claim.seeds
    seconds = _seconds(name, chosen.results)
    known = f"it took {seconds:g} s on record"
    if seconds == inf:
        known = "how long it takes is not on record"
    _say(f"{name}: {claim.statement}")
    print(f"{_counted(seeds)}; {known}", flush=True)
    return seeds


def _wanted(chosen: argparse.Namespace) -> Sequence[str] | None:
    """Return the claims that are named, or else, if one can tell, the stale ones."""
    if chosen.claims:
        return [*chosen.claims]
    if chosen.results is None:
        _say("Name a claim (dlnotes claims list), or say with --results where results")
        _say("are: outside a checkout there are none to tell which of them are stale.")
        return None
    found = [n for n in ledger.declared() if ledger.stale(n, chosen.results)]
    if not found:
        _say(f"Every claim has a result of the present code in {chosen.results}.")
    return found


def _carry(chosen: argparse.Namespace) -> int:
    names = _wanted(chosen)
    if names is None:
        return 2
    refused = 0
    try:
        old = carry.at(chosen.commit)
        digests = carry.digests_of(old)
    except ValueError as error:
        _say(str(error))
        return 2
    for name in names:
        try:
            carry.carry(name, old, digests, here(), chosen.results)
        except (ValueError, ledger.NoResultError) as error:
            _say(f"{name} is to be measured again: {error}.")
            refused = 1
        else:
            _say(f"{name} is carried over: the same but for names or format.")
    return refused


def _report(result: ledger.Result) -> None:
    """Print what was found."""
    finding = result.finding
    _say(f"It {finding.outcome}. {finding.because}")
    for line in filter(None, [*ledger.summary(finding), finding.remark]):
        _say(line)


def _agreement(result: ledger.Result, results: Path | None) -> str:
    """Say whether a measurement agrees with the record."""
    try:
        record = ledger.load(result.claim, results)
    except ledger.NoResultError:
        return "There is no record to compare it with."
    same = record.finding.verdict is result.finding.verdict
    said = "agrees" if same else f"says otherwise: it {record.finding.outcome}"
    return f"The record of {record.date}, on {_counted(record.seeds)}, {said}."


def _counted(seeds: Sequence[int]) -> str:
    if len(seeds) == 1:
        return "one run, which is exact"
    return f"seeds {min(seeds)} to {max(seeds)}"


def _seconds(name: str, results: Path | None) -> float:
    """Return how long a claim took, or that nobody knows: infinitely long."""
    try:
        return ledger.load(name, results).seconds
    except ledger.NoResultError:
        return inf


def _say(text: str) -> None:
    """Print a text, in letters that the terminal has."""
    encoding = sys.stdout.encoding or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        plain = text.replace("±", "+-").encode(encoding, errors="replace")
        text = plain.decode(encoding)
    print(text)


def _claim(name: str) -> str:
    names = ledger.declared()
    if name not in names:
        near = get_close_matches(name, names, n=3, cutoff=0.3) or sorted(names)
        raise argparse.ArgumentTypeError(f"no claim {name}; try {', '.join(near)}")
    return name


def _seeds(text: str) -> Sequence[int]:
    first, dash, last = text.partition("-")
    if not (first.isdecimal() and (last.isdecimal() or not dash)):
        raise argparse.ArgumentTypeError(f"seeds are 50-54, or 5 for 0-4, got {text}")
    seeds = range(int(first), int(last) + 1) if dash else range(int(first))
    if len(seeds) < 2:
        raise argparse.ArgumentTypeError(f"a spread needs 2 seeds or more, got {text}")
    return seeds


def _workers(text: str) -> int:
    if not (text.isdecimal() and int(text) >= 1):
        raise argparse.ArgumentTypeError(f"workers are 1 or more, got {text}")
    return int(text)


def _device(name: str) -> str:
    try:
        ledger.default_device(name)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return name


def _folder(text: str) -> Path:
    path = Path(text).expanduser()
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is no folder")
    return path
