"""What the command prints, and how it refuses."""

from pathlib import Path

import pytest

from dlnotes.claims import Experiment, ledger
from dlnotes.command import main

CLAIM = "claim-perceptron-converges"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["claims", "run", "claim-perceptron-converge"], f"try {CLAIM}"),
        (["claims", "run", CLAIM, "--seeds", "1"], "a spread needs 2 seeds or more"),
        (["claims", "run", CLAIM, "--seeds", "few"], "2 seeds or more, got few"),
        (["claims", "run", CLAIM, "--save", "nowhere"], "nowhere is no folder"),
        (["claims", "run", CLAIM, "--device", "abacus"], "is here, got abacus"),
    ],
)
def test_what_is_unknown_is_refused_with_what_is_near(
    capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    with pytest.raises(SystemExit):
        main(arguments)

    assert says in capsys.readouterr().err


def test_every_claim_is_listed_with_its_statement(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["claims", "list"])

    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[0] for line in lines] == [*ledger.experiments()]


def test_a_claim_is_measured_and_put_on_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["claims", "run", CLAIM, "--seeds", "2", "--save", str(tmp_path)])

    result = ledger.load(CLAIM, tmp_path)
    assert result.seeds == (0, 1)
    assert f"It {result.finding.verdict}: " in capsys.readouterr().out


def test_the_result_on_record_is_shown_or_missed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["claims", "show", CLAIM]) == 0
    assert f"It {ledger.load(CLAIM).finding.verdict}: " in capsys.readouterr().out
    assert main(["claims", "show", CLAIM, "--results", str(tmp_path)]) == 1
    assert "No result in" in capsys.readouterr().out


def test_what_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing() -> dict[str, Experiment]:
        raise ModuleNotFoundError("No module named 'torch'")

    monkeypatch.setattr(ledger, "experiments", missing)

    assert main(["claims", "list"]) == 2
    assert main(["claims", "show", CLAIM]) == 2
    said = "No module named 'torch', which dlnotes[lab] installs."
    assert capsys.readouterr().out.splitlines() == [said, said]
