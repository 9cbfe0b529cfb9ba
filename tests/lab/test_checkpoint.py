"""A run that was ended goes on bit for bit, and a file that is not whole is refused."""

import errno
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.utils.data import DataLoader, Dataset, TensorDataset

from dlnotes import optim
from dlnotes.lab.callbacks import Clipping, EarlyStopping, Scheduler
from dlnotes.lab.checkpoint import Checkpoint, OtherRunError, OtherWriterError
from dlnotes.lab.fit import Callback, Falling, History, Run, fit
from dlnotes.lab.metrics import accuracy
from dlnotes.lab.saved import DamagedError, pack, unpack

EPOCHS, STEPS = 4, 28  # seven steps an epoch


class Ended(Callback):
    """End a run in an instant, after some step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def after_step(self, run: Run, _loss: Tensor) -> None:
        if run.steps == self.step:
            raise KeyboardInterrupt


def tensors() -> tuple[Tensor, Tensor]:
    """Return instances and labels."""
    rng = np.random.default_rng(0)
    return torch.tensor(rng.normal(size=(50, 4))), torch.tensor(
        rng.integers(3, size=50)
    )


def network(seed: int, hidden: int = 8) -> nn.Sequential:
    """Return a network with all that has a state or draws numbers."""
    torch.manual_seed(seed)
    return nn.Sequential(
        *(nn.Linear(4, hidden), nn.BatchNorm1d(hidden), nn.Tanh(), nn.Dropout(0.3)),
        nn.Linear(hidden, 3),
    ).double()


def run(
    path: Path, *first: Callback, seed: int = 0, **settings: Any
) -> tuple[nn.Sequential, History]:
    """Train a network and keep all of it in a file, after every third step too."""
    model, (X, y) = settings.pop("model", network(seed)), tensors()
    kind = settings.pop("optimizer", torch.optim.Adam)
    data = settings.pop("data", (X, y))
    chosen: dict[str, Any] = {
        "loss": nn.CrossEntropyLoss(),
        "optimizer": kind(model.parameters(), lr=0.01),
        "epochs": EPOCHS,
        "batch_size": 8,
        "rng": np.random.default_rng(seed),
        "validation": (X, y),
    }
    callbacks = [
        *(EarlyStopping(patience=9), Clipping(1.0)),
        Scheduler(lambda optimizer: CosineAnnealingLR(optimizer, STEPS)),
        Checkpoint(path, steps=3),
    ]
    history = fit(model, *data, callbacks=[*first, *callbacks], **chosen | settings)
    return model, history


def assert_same(
    ours: tuple[nn.Sequential, History], theirs: tuple[nn.Sequential, History]
) -> None:
    """Hold two runs to the same bits."""
    for name in ("losses", "epoch_losses", "scores"):
        np.testing.assert_array_equal(
            *(getattr(each[1], name) for each in (ours, theirs))
        )
    others = theirs[0].state_dict()
    for name, value in ours[0].state_dict().items():
        assert torch.equal(value, others[name])


@pytest.mark.parametrize("step", [4, 7, 9, 17, 27, 28])
def test_a_run_that_was_ended_anywhere_goes_on_bit_for_bit(
    tmp_path: Path, step: int
) -> None:
    whole = run(tmp_path / "whole", Ended(0))

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "ended", Ended(step))
    continued = run(tmp_path / "ended", Ended(0), seed=99)
    again = run(tmp_path / "ended", Ended(0), seed=98)

    assert_same(continued, whole)
    assert_same(again, whole)
    assert again[1].seconds == continued[1].seconds > 0


def test_a_run_that_was_ended_between_the_last_step_and_the_score_goes_on(
    tmp_path: Path,
) -> None:
    whole, calls = run(tmp_path / "whole", Ended(0)), iter("123")

    def ending(outputs: Tensor, labels: Tensor) -> float:
        if next(calls) == "3":
            raise KeyboardInterrupt
        return accuracy(outputs, labels)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "ended", Ended(0), metric=ending)
    saved = unpack((tmp_path / "ended").read_bytes(), "ended")
    continued = run(tmp_path / "ended", Ended(0), seed=9)

    assert len(saved["losses"]) == 7
    assert_same(continued, whole)


class Noisy(Dataset[tuple[Tensor, Tensor]]):
    """Instances with noise that is drawn anew whenever one is taken."""

    def __init__(self) -> None:
        self.X, self.y = tensors()

    def __len__(self) -> int:
        return 50

    def __getitem__(self, place: int) -> tuple[Tensor, Tensor]:
        noise = torch.randn(4, dtype=torch.float64)
        return self.X[place] + 0.1 * noise, self.y[place]


def shuffled(seed: int) -> DataLoader[Any]:
    """Return a loader that has a generator of its own."""
    own = torch.Generator().manual_seed(seed)
    data = TensorDataset(*tensors())
    return DataLoader(data, batch_size=8, shuffle=True, generator=own)


def batches() -> list[tuple[Tensor, Tensor]]:
    """Return the batches of an epoch."""
    X, y = tensors()
    return [(X[k : k + 8], y[k : k + 8]) for k in range(0, 50, 8)]


LOADERS: dict[str, Callable[[int], Any]] = {
    "PyTorch's numbers": lambda _: DataLoader(Noisy(), batch_size=8, shuffle=True),
    "numbers of its own": shuffled,
    "a list": lambda _: batches(),
}


@pytest.mark.parametrize("make", LOADERS.values(), ids=LOADERS.keys())
def test_a_run_with_a_loader_goes_on_bit_for_bit_too(
    tmp_path: Path, make: Callable[[int], Any]
) -> None:
    whole = run(tmp_path / "whole", Ended(0), data=[make(0)], rng=None)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "ended", Ended(18), data=[make(0)], rng=None)
    continued = run(tmp_path / "ended", Ended(0), data=[make(9)], rng=None, seed=9)

    assert_same(continued, whole)


OTHERWISE: dict[str, dict[str, Any]] = {
    "our Adam": {"optimizer": optim.Adam},
    "our SGD": {"optimizer": lambda each, lr: optim.SGD(each, lr=lr, momentum=0.9)},
    "AMSGrad": {"optimizer": lambda e, lr: torch.optim.Adam(e, lr=lr, amsgrad=True)},
    "parts": {"accumulation_steps": 3, "batch_size": 10},
}


@pytest.mark.parametrize("settings", OTHERWISE.values(), ids=OTHERWISE.keys())
def test_other_runs_go_on_bit_for_bit_too(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    whole = run(tmp_path / "whole", Falling(), Ended(0), **settings)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "ended", Falling(), Ended(12), **settings)
    continued = run(tmp_path / "ended", Falling(), Ended(0), seed=9, **settings)

    assert_same(continued, whole)


def half(path: Path, *first: Callback, seed: int = 0) -> tuple[nn.Sequential, History]:
    """Train in half precision, in which the first gradients overflow."""
    X, y = tensors()[0].float(), tensors()[1]
    return run(
        path,
        *first,
        seed=seed,
        model=network(seed).float(),
        data=(X, y),
        validation=(X, y),
        loss=lambda outputs, labels: 100 * functional.cross_entropy(outputs, labels),
        autocast=torch.float16,
    )


def test_a_run_goes_on_with_the_scale_of_its_gradients(tmp_path: Path) -> None:
    whole = half(tmp_path / "whole", Ended(0))

    with pytest.raises(KeyboardInterrupt):
        half(tmp_path / "ended", Ended(12))
    saved = unpack((tmp_path / "ended").read_bytes(), "ended")
    continued = half(tmp_path / "ended", Ended(0), seed=9)

    assert saved["scaler"]["scale"] < 2.0**16
    assert_same(continued, whole)


@pytest.mark.parametrize("kind", [np.random.MT19937, np.random.Philox])
def test_every_generator_goes_on(tmp_path: Path, kind: Any) -> None:
    whole = run(tmp_path / "whole", Ended(0), rng=np.random.Generator(kind(5)))

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "ended", Ended(11), rng=np.random.Generator(kind(5)))
    rng = np.random.Generator(kind(6))
    continued = run(tmp_path / "ended", Ended(0), rng=rng, seed=9)

    assert_same(continued, whole)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system forks no process")
def test_a_run_that_is_killed_again_and_again_has_the_bits_of_one_that_is_not(
    tmp_path: Path,
) -> None:
    script = [sys.executable, __file__, str(tmp_path)]

    done = subprocess.run(
        script, env=os.environ | {"OMP_NUM_THREADS": "1"}, timeout=120, check=False
    )

    whole, killed = (np.load(tmp_path / f"{name}.npz") for name in ("whole", "killed"))
    assert done.returncode == 0
    assert int((tmp_path / "kills").read_text(encoding="utf-8")) > 1
    assert whole.files == killed.files
    for name in whole.files:
        np.testing.assert_array_equal(killed[name], whole[name])


def test_a_run_that_is_over_is_over_at_once_and_may_get_more_epochs(
    tmp_path: Path,
) -> None:
    first, then = run(tmp_path / "run")
    over, same = run(tmp_path / "run", seed=1)
    _, longer = run(tmp_path / "run", seed=2, epochs=EPOCHS + 1)

    assert_same((over, same), (first, then))
    np.testing.assert_array_equal(longer.losses[:STEPS], then.losses)
    assert len(longer.losses) == STEPS + 7


def test_a_run_that_has_stopped_early_is_over(tmp_path: Path) -> None:
    scores = iter([0.5, 0.9, 0.8, 0.7])
    stopping = EarlyStopping(patience=2)
    settings: dict[str, Any] = {"epochs": 30, "metric": lambda *_: next(scores)}
    whole = run(tmp_path / "run", stopping, **settings)

    again = run(tmp_path / "run", EarlyStopping(patience=2), seed=1, **settings)

    assert len(whole[1].scores) == 4
    assert stopping.state.best_epoch == 1
    assert_same(again, whole)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return a checkpoint of as few bytes as there can be."""
    path = tmp_path_factory.mktemp("small") / "run"
    line = nn.Linear(1, 1)
    line_run(line, path)
    return path.read_bytes()


def line_run(model: nn.Module, path: Path, **settings: Any) -> History:
    """Train a line for two epochs."""
    X = torch.linspace(-1, 1, 10)[:, None]
    chosen: dict[str, Any] = {
        "optimizer": torch.optim.SGD(model.parameters(), lr=0.1),
        "epochs": 2,
        "rng": np.random.default_rng(0),
        "callbacks": [Checkpoint(path)],
    }
    return fit(model, X, X, loss=nn.MSELoss(), **chosen | settings)


def test_a_file_that_is_damaged_in_any_byte_is_refused(small: bytes) -> None:
    rng = np.random.default_rng(0)
    unpack(small, "here")

    for place, flip in enumerate(rng.integers(1, 256, size=len(small)).tolist()):
        damaged = bytearray(small)
        damaged[place] ^= flip
        with pytest.raises(DamagedError, match=r"^here is"):
            unpack(bytes(damaged), "here")


def test_a_file_of_another_length_is_refused(small: bytes) -> None:
    for length in [*range(1, 20), *range(20, len(small), 97), len(small) - 1]:
        with pytest.raises(DamagedError, match=r"^here is"):
            unpack(small[:length], "here")
    with pytest.raises(DamagedError, match=r"^here is damaged"):
        unpack(small + b"\0", "here")


def test_a_bit_of_each_byte_of_a_digest_may_not_differ(small: bytes) -> None:
    place = small.index(b'"sha256":"') + 10

    for offset in range(64):
        upper = bytearray(small)
        upper[place + offset] ^= 0x20
        with pytest.raises(DamagedError, match=r"^here is"):
            unpack(bytes(upper), "here")


WRONG: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "half": lambda content: content[: len(content) // 2],
    "a text": lambda _: b"weights: 1, 2, 3\n" * 9,
    "no checkpoint": lambda _: safetensors.torch.save({"weight": torch.ones(2)}),
}


@pytest.mark.parametrize("spoil", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_file_is_named_and_nothing_is_changed(
    tmp_path: Path, small: bytes, spoil: Callable[[bytes], bytes]
) -> None:
    path, line = tmp_path / "line.safetensors", nn.Linear(1, 1)
    before = line.weight.item(), torch.get_rng_state()
    path.write_bytes(spoil(small))

    with pytest.raises(DamagedError, match=r"line\.safetensors is"):
        line_run(line, path)

    assert line.weight.item() == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])
    assert path.read_bytes() == spoil(small)


def retyped(model: nn.Sequential) -> nn.Sequential:
    """Change the type of a count."""
    model[1].num_batches_tracked = torch.zeros((), dtype=torch.int32)
    return model


OTHERS: dict[str, tuple[dict[str, Any], str]] = {
    "wider": (
        {"model": network(1, hidden=9)},
        r"another model: .*its 4\.weight is \(3, 8\) of torch.float64, not \(3, 9\)",
    ),
    "of another type": (
        {"model": retyped(network(1))},
        r"another model: its 1\.num_batches_tracked is \(\) of torch\.int64, not",
    ),
    "deeper": (
        {"model": nn.Sequential(*network(1), nn.Linear(3, 3).double())},
        r"another model: .*it lacks 5\.weight",
    ),
    "less deep": (
        {"model": nn.Sequential(*[*network(1)][:-1])},
        r"another model: .*it has 4\.weight, too",
    ),
    "other optimizer": (
        {"optimizer": torch.optim.SGD},
        "a run with the optimizer Adam, not SGD",
    ),
    "fewer parameters": (
        {"optimizer": lambda each, lr: torch.optim.Adam([*each][:2], lr=lr)},
        r"a run with parameters in the optimizer's groups: \[6\], not \[2\]",
    ),
    "other generator": (
        {"rng": np.random.Generator(np.random.MT19937(0))},
        "a run with the generator PCG64, not MT19937",
    ),
    "scaled": ({"autocast": torch.float16}, "a run with scaled gradients False"),
    "other batches": ({"batch_size": 9}, "a run with steps in an epoch: 7, not 6"),
}


@pytest.mark.parametrize(("settings", "says"), OTHERS.values(), ids=OTHERS.keys())
def test_a_checkpoint_of_another_run_is_refused_and_nothing_is_changed(
    tmp_path: Path, settings: dict[str, Any], says: str
) -> None:
    path = tmp_path / "run.safetensors"
    with pytest.raises(KeyboardInterrupt):
        run(path, Ended(10))
    given: dict[str, Any] = {"model": network(1)} | settings
    model = given["model"]
    before = [each.clone() for each in model.state_dict().values()]
    content = path.read_bytes()

    with pytest.raises(OtherRunError, match=rf"run\.safetensors is of {says}"):
        run(path, Ended(0), **given)

    for now, then in zip(model.state_dict().values(), before, strict=True):
        assert torch.equal(now, then)
    assert path.read_bytes() == content


def test_a_checkpoint_with_other_callbacks_is_refused(tmp_path: Path) -> None:
    run(tmp_path / "run")

    with pytest.raises(OtherRunError, match=r"with the callbacks .*, not .*'Falling'"):
        run(tmp_path / "run", Falling())


def no_space(_handle: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_leaves_the_checkpoint_before_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(tmp_path / "whole", Ended(0))
    path = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        run(path, Ended(10))
    content = path.read_bytes()

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", no_space)
        with pytest.warns(UserWarning, match=r"run could not be saved: .* No space"):
            continued = run(path, Ended(0))

    assert path.read_bytes() == content
    assert not [*tmp_path.glob(".*.part")]
    assert_same(continued, whole)
    assert_same(run(path, Ended(0)), whole)


@pytest.mark.skipif(sys.platform == "win32", reason="the system has no such limit")
def test_a_limit_on_the_size_of_files_is_like_a_full_disk(tmp_path: Path) -> None:
    import resource

    path = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        run(path, Ended(10))
    content = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    resource.setrlimit(resource.RLIMIT_FSIZE, (len(content) // 2, hard))
    try:
        with pytest.warns(
            UserWarning, match=r"run could not be saved: .*File too large"
        ):
            run(path, Ended(0))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert path.read_bytes() == content
    assert not [*tmp_path.glob(".*.part")]


def test_what_ends_a_process_while_it_writes_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        run(path, Ended(10))
    content = path.read_bytes()

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", end)
        with pytest.raises(KeyboardInterrupt):
            run(path, Ended(0))

    assert path.read_bytes() == content


def end(*_: object) -> None:
    raise KeyboardInterrupt


class Meanwhile(Callback):
    """Let something happen after a step."""

    def __init__(self, step: int, action: Callable[[], Any]) -> None:
        self.step, self.action = step, action

    def after_step(self, run: Run, _loss: Tensor) -> None:
        if run.steps == self.step:
            self.action()


def test_the_seconds_of_an_epoch_that_was_ended_count(tmp_path: Path) -> None:
    slow = Meanwhile(8, partial(time.sleep, 0.3)), Meanwhile(10, end)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "run", *slow)
    saved = unpack((tmp_path / "run").read_bytes(), "run")

    _, history = run(tmp_path / "run", *(Meanwhile(0, end) for _ in slow))

    assert len(saved["losses"]) == 2
    assert history.seconds > saved["history"]["seconds"] > 0.3


@pytest.mark.parametrize("there", [False, True])
def test_a_second_writer_does_not_overwrite_what_the_first_has_saved(
    tmp_path: Path,
    there: bool,  # noqa: FBT001
) -> None:
    path = tmp_path / "run"
    if there:
        with pytest.raises(KeyboardInterrupt):
            run(path, Meanwhile(10, end))
    contents = []

    def other() -> None:
        line_run(nn.Linear(1, 1), tmp_path / "other")
        (tmp_path / "other").replace(path)
        contents.append(path.read_bytes())

    with pytest.raises(OtherWriterError, match="run was written by another run"):
        run(path, Meanwhile(14 if there else 1, other), epochs=9)

    assert path.read_bytes() == contents[0]


def test_a_checkpoint_that_was_taken_away_is_written_again(tmp_path: Path) -> None:
    path = tmp_path / "run"

    run(path, Meanwhile(10, path.unlink))

    assert path.exists()


def test_a_checkpoint_wants_to_be_the_last_callback(tmp_path: Path) -> None:
    callbacks = [Checkpoint(tmp_path / "run"), Falling()]

    with pytest.raises(ValueError, match="the checkpoint as the last"):
        line_run(nn.Linear(1, 1), tmp_path, callbacks=callbacks)


@pytest.mark.parametrize("steps", [0, 1.5])
def test_a_number_of_steps_that_is_none_is_refused(steps: Any) -> None:
    with pytest.raises(ValueError, match=f"steps must be an int .* 1, got {steps}"):
        Checkpoint("run", steps=steps)


def test_folders_on_the_way_are_made(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "today" / "line"

    line_run(nn.Linear(1, 1), path)

    assert path.exists()


def test_tensors_in_the_file_are_there_for_every_program(tmp_path: Path) -> None:
    line = nn.Linear(1, 1)
    line_run(line, tmp_path / "line.safetensors")

    found = safetensors.torch.load_file(tmp_path / "line.safetensors")

    assert torch.equal(found["model.weight"], line.weight)


def test_what_is_saved_comes_back() -> None:
    shared = torch.arange(6.0).reshape(2, 3)
    values = {
        "tied": [shared, shared.T, shared[:, 1]],
        "types": {str(k): torch.ones(2, dtype=k) for k in saved_dtypes()},
        "numbers": (
            1,
            0.1,
            float("inf"),
            -0.0,
            True,
            None,
            "ä",
            2**127 + 1,
        ),
        "arrays": [np.arange(3, dtype=np.uint64), np.empty(0), np.array(2.5)],
        "nothing": [torch.empty(0, 3), {}, [], ()],
        7: {0: {1: "keys"}},
    }

    back = unpack(pack(values), "here")

    assert repr(back) == repr(values)
    assert repr(unpack(pack([float("nan"), np.float64(3)]), "here")) == "[nan, 3.0]"


def saved_dtypes() -> list[torch.dtype]:
    """Return types of tensors."""
    floats = torch.float64, torch.float32, torch.float16, torch.bfloat16
    return [*floats, torch.int64, torch.int32, torch.uint8, torch.bool]


@pytest.mark.parametrize("value", [object(), {1, 2}, print, 1j])
def test_what_cannot_be_saved_is_named(value: Any) -> None:
    with pytest.raises(TypeError, match=r"a\.1\.b is a \w+, which cannot be saved"):
        pack({"a": [0, {"b": value}]})


def test_what_the_page_shows_runs_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Path(__file__).parents[2].joinpath("docs", "lab.md").read_text("utf-8")
    code = page.partition("```python\n")[2].partition("```")[0]
    monkeypatch.chdir(tmp_path)
    first: dict[str, Any] = {}
    again: dict[str, Any] = {}

    exec(code, first)
    exec(code, again)

    assert (tmp_path / "moons.safetensors").exists()
    assert 40 < len(first["history"].losses) == len(again["history"].losses)
    assert first["history"].seconds == again["history"].seconds


def result(folder: Path, name: str) -> None:
    """Train in a process of its own, and put what was found in a file."""
    model, history = run(folder / name, seed=0, epochs=8)
    found = {key: value.numpy() for key, value in model.state_dict().items()}
    np.savez(folder / name, losses=history.losses, scores=history.scores, **found)


def child(folder: Path, name: str) -> int:
    """Begin to train in a process of its own."""
    pid = os.fork()
    if pid == 0:
        result(folder, name)
        os._exit(0)
    return pid


def main(folder: Path) -> None:
    """Train once in peace, and once with a kill after the other."""
    os.waitpid(child(folder, "whole"), 0)
    draw, kills = random.Random(0), 0
    for _ in range(6):
        pid = child(folder, "killed")
        time.sleep(draw.uniform(0.01, 0.2))
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        kills += os.WIFSIGNALED(status)
    (folder / "kills").write_text(str(kills), encoding="utf-8")
    os.waitpid(child(folder, "killed"), 0)


if __name__ == "__main__":  # the process that is asked to kill its children
    main(Path(sys.argv[1]))
