"""The device is the one named nearest: by the caller, around it, or present."""

import subprocess
import sys
from argparse import ArgumentParser

import pytest
import torch

from dlnotes.lab.device import add_device_argument, device


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Pretend that there are two GPUs, and note which one is made the current one."""
    current: list[int] = []
    gpu = torch.device("cuda")
    monkeypatch.delenv("DLNOTES_DEVICE", raising=False)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda **_: gpu)
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 2)
    monkeypatch.setattr(torch.accelerator, "set_device_index", current.append)
    return current


def test_a_name_comes_before_the_environment(
    gpus: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DLNOTES_DEVICE", "cuda:1")

    assert device() == torch.device("cuda", 1)
    assert device("cpu") == torch.device("cpu")
    assert gpus == [1]


@pytest.mark.parametrize("environment", [None, ""])
def test_an_accelerator_comes_before_the_cpu(
    gpus: list[int], monkeypatch: pytest.MonkeyPatch, environment: str | None
) -> None:
    if environment is not None:
        monkeypatch.setenv("DLNOTES_DEVICE", environment)

    assert device() == torch.device("cuda", 0)
    assert gpus == [0]


@pytest.mark.usefixtures("gpus")
def test_each_process_of_a_machine_takes_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")

    assert device("cuda") == torch.device("cuda", 1)
    assert device("cuda:0") == torch.device("cuda", 0)


def test_the_first_cpu_is_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLNOTES_DEVICE", "cpu:0")

    assert device() == device("cpu:0") == torch.device("cpu")


def test_the_command_line_is_the_program_s_own() -> None:
    program = """
import argparse
from dlnotes.lab.device import device
device()
parser = argparse.ArgumentParser(description="counts sheep")
parser.add_argument("--sheep")
parser.parse_args()
"""
    command = [sys.executable, "-c", program, "--help"]

    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert "counts sheep" in said
    assert "--sheep" in said


def test_a_program_may_take_the_device_from_its_command_line() -> None:
    parser = ArgumentParser()
    add_device_argument(parser)

    assert parser.parse_args([]).device is None
    assert parser.parse_args(["--device=cuda:1"]).device == "cuda:1"


@pytest.mark.usefixtures("gpus")
@pytest.mark.parametrize("name", ["gpu", "cuda:2", "cpu:1", "meta", "mps"])
def test_a_device_that_is_not_there_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    wrong = rf"must be a device that is here \(cpu, cuda:0, cuda:1\), got {name}"

    with pytest.raises(ValueError, match=f"name {wrong}"):
        device(name)
    monkeypatch.setenv("DLNOTES_DEVICE", name)
    with pytest.raises(ValueError, match=f"DLNOTES_DEVICE {wrong}"):
        device()


def test_what_is_elsewhere_in_the_tests_does_not_mix_with_the_cpu(
    other_device: torch.device,
) -> None:
    there = torch.ones(3).to(other_device)

    assert (there + 1).device == other_device
    assert (there + 1).cpu().tolist() == [2, 2, 2]
    with pytest.raises(RuntimeError, match="tensors of two devices"):
        _ = there + torch.ones(3)
    with pytest.raises(RuntimeError, match="not supported"):
        there.numpy()
