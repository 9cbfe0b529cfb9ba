"""The device is the one named nearest: on the command line, around it, or present."""

import sys

import pytest
import torch

from dlnotes.lab.device import device


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


def test_the_command_line_comes_before_the_environment(
    gpus: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DLNOTES_DEVICE", "cuda:1")

    assert device([]) == torch.device("cuda", 1)
    assert device(["--device", "cpu"]) == torch.device("cpu")
    assert gpus == [1]


def test_an_accelerator_comes_before_the_cpu(gpus: list[int]) -> None:
    assert device([]) == torch.device("cuda", 0)
    assert gpus == [0]


@pytest.mark.usefixtures("gpus")
def test_each_process_of_a_machine_takes_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")

    assert device(["--device=cuda"]) == torch.device("cuda", 1)


def test_a_kernel_s_own_arguments_do_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLNOTES_DEVICE", "cpu")
    monkeypatch.setattr(sys, "argv", ["kernel", "-f", "k.json", "--f=k.json", "--d"])

    assert device() == torch.device("cpu")


@pytest.mark.usefixtures("gpus")
@pytest.mark.parametrize("name", ["gpu", "cuda:2", "meta", "mps"])
def test_a_device_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(
        ValueError, match=f"no device {name} here; there is cpu, cuda:0"
    ):
        device(["--device", name])


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
