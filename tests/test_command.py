"""What the command prints, and how it refuses."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from dlnotes.claims import Verdict, command, ledger
from dlnotes.command import main

CLAIM = "claim-perceptron-converges"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["claims", "run", "claim-perceptron-converge"], f"try {CLAIM}"),
        (["claims", "run", CLAIM, "--seeds", "1"], "a spread needs 2 seeds or more"),
        (["claims", "run", CLAIM, "--seeds", "5-5"], "2 seeds or more, got 5-5"),
        (["claims", "run", CLAIM, "--seeds", "few"], "50-54, or 5 for 0-4, got few"),
        (["claims", "run", CLAIM, "--device", "meta"], "here (cpu"),
        (["claims", "run", CLAIM, "--workers", "0"], "1 or more, got 0"),
        (["claims", "run", CLAIM, "--save", "nowhere"], "nowhere is no folder"),
        (["claims", "run", CLAIM, "--device", "abacus"], "got abacus"),
    ],
)
def test_what_is_unknown_is_refused_with_what_is_near(
    capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    with pytest.raises(SystemExit):
        main(arguments)

    assert says in capsys.readouterr().err


WITHOUT_TORCH = """
import sys
sys.modules["torch"] = sys.modules["tqdm"] = sys.modules["scipy"] = None
from dlnotes.command import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """Put two seeds of a quick claim on record."""
    main(["claims", "run", CLAIM, "--seeds", "2", "--save", str(tmp_path)])
    return tmp_path


def test_every_claim_is_listed_with_its_statement_verdict_and_duration(
    recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger.save(replace(ledger.load(CLAIM, recorded), seeds=(*range(20),)), recorded)
    capsys.readouterr()
    assert main(["claims", "list", "--results", str(recorded)]) == 0

    lines = capsys.readouterr().out.splitlines()
    result = ledger.load(CLAIM, recorded)
    names = [line.partition(": ")[0] for line in lines[::2]]
    assert names == [*ledger.declared()]
    assert lines[2 * names.index(CLAIM) + 1] == (
        f"  It {result.finding.outcome}; measured in {result.seconds:g} s."
    )
    assert lines.count("  Not measured yet.") == len(names) - 1


@pytest.mark.parametrize(
    ("action", "says"), [(["list"], f"{CLAIM}: "), (["show", CLAIM], "It holds if")]
)
def test_claims_are_read_without_pytorch(
    tmp_path: Path, action: list[str], says: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, "claims", *action],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )

    assert says in done.stdout
    assert done.stderr == ""


def test_a_claim_is_measured_on_the_seeds_given_and_put_on_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["claims", "run", CLAIM, "--seeds", "50-51", "--save", str(tmp_path)])

    result = ledger.load(CLAIM, tmp_path)
    assert result.seeds == (50, 51)
    said = capsys.readouterr().out
    assert "seeds 50 to 51; " in said
    assert f"It {result.finding.outcome}. {result.finding.because}" in said


def test_claims_that_are_measured_at_a_time_get_what_they_get_one_by_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["claim-mcp-computes-logic", CLAIM, "claim-mcp-fixed-limits"]
    found = []
    for workers in "12":
        folder = tmp_path / workers
        folder.mkdir()
        chosen = ["--seeds", "2", "--workers", workers, "--save", str(folder)]
        main(["claims", "run", *names, *chosen])
        found.append([ledger.load(name, folder).finding for name in names])

    said = capsys.readouterr().out
    assert found[0] == found[1]
    for name in names:
        assert f"\n{name}:\nIt holds" in said


def test_the_longest_is_measured_first_where_several_are_at_a_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    names = ["claim-mcp-computes-logic", CLAIM, "claim-mcp-fixed-limits"]
    for name, seconds in zip(names, (1.0, 3.0), strict=False):
        ledger.save(replace(ledger.load(name), seconds=seconds), tmp_path)
    monkeypatch.setattr(
        command, "ProcessPoolExecutor", lambda *_: ThreadPoolExecutor(1)
    )

    main(["claims", "run", *names, "--workers", "2", "--results", str(tmp_path)])

    lines = capsys.readouterr().out.splitlines()
    started = [line.partition(": ")[0] for line in lines if ": " in line][:3]
    assert started == [names[2], names[1], names[0]]


def test_a_measurement_says_whether_the_record_agrees(
    recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = ["claims", "run", CLAIM, "--seeds", "2", "--results", str(recorded)]
    result = ledger.load(CLAIM, recorded)
    capsys.readouterr()

    main(again)
    assert f"{result.date}, on seeds 0 to 1, agrees." in capsys.readouterr().out
    other = replace(result.finding, verdict=Verdict.FAILS)
    ledger.save(replace(result, finding=other), recorded)
    main(again)
    assert "says otherwise: it fails." in capsys.readouterr().out


def test_the_result_on_record_is_shown_or_missed(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = ledger.load(CLAIM, recorded)
    empty = tmp_path / "empty"
    empty.mkdir()

    assert main(["claims", "show", CLAIM, "--results", str(recorded)]) == 0
    said = capsys.readouterr().out
    assert f"It {result.finding.outcome}. " in said
    assert "has changed since" in said  # its rule wants more seeds
    assert main(["claims", "show", CLAIM, "--results", str(empty)]) == 1
    assert "has no result in" in capsys.readouterr().out


def test_outside_a_checkout_nothing_is_started_unasked(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(ledger, "ROOT", tmp_path)
    monkeypatch.chdir(tmp_path)

    assert main(["claims", "run"]) == 2
    assert "Name a claim" in capsys.readouterr().out


def test_a_terminal_without_a_plus_minus_sign_gets_another(
    recorded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["claims", "show", CLAIM, "--results", str(recorded)]
    show = f"from dlnotes.command import main; main({arguments!r})"
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")

    done = subprocess.run(
        [sys.executable, "-c", show],
        capture_output=True,
        text=True,
        check=True,
    )

    assert " +- " in done.stdout


def test_what_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing() -> None:
        raise ModuleNotFoundError("No module named 'torch'")

    monkeypatch.setattr(ledger, "experiments", missing)

    assert main(["claims", "run", CLAIM]) == 2
    said = "No module named 'torch', which dlnotes[lab] installs."
    assert said in capsys.readouterr().out


def test_carrying_over_says_what_is_to_be_measured_again(
    recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["claims", "carry", "--results", str(recorded), "--from"]

    assert main([*arguments, "nowhere", CLAIM]) == 2
    assert "nowhere" in capsys.readouterr().out
