"""New slices at every step, the same ones after a resume."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from fullrank.losses import WMSE, SIGReg, VISReg, sigreg
from fullrank.losses.module import SlicedLoss
from fullrank.testing.clouds import noise

every_loss = pytest.mark.parametrize("loss", [SIGReg, VISReg, WMSE])
Z = noise(2, 12, 4)


@every_loss
def test_step_by_step_it_is_the_loss_with_the_step_as_its_seed(loss: type[SlicedLoss]) -> None:
    drawn = loss()
    for step in range(3):
        assert torch.equal(drawn(Z)["loss"], loss.function(Z, seed=step)["loss"])
    assert not torch.equal(sigreg(Z, seed=0)["loss"], sigreg(Z, seed=1)["loss"])  # or the above says nothing


def test_a_resumed_one_goes_on() -> None:
    stopped, resumed = SIGReg(), SIGReg()
    for _ in range(3):
        stopped(Z)
    resumed.load_state_dict(stopped.state_dict())
    assert stopped.state_dict() == {"step": torch.tensor(3)}
    for _ in range(2):
        assert torch.equal(resumed(Z)["loss"], stopped(Z)["loss"])


def test_a_step_that_its_owner_writes_counts() -> None:
    drawn = SIGReg()
    drawn(Z)
    drawn.step.fill_(7)
    for step in (7, 8):
        assert torch.equal(drawn(Z)["loss"], sigreg(Z, seed=step)["loss"])


def wrote(drawn: SIGReg) -> None:
    drawn.step.data.fill_(7)


def assigned(drawn: SIGReg) -> None:
    drawn.step = torch.tensor(7)


def loaded(drawn: SIGReg) -> None:
    with torch.inference_mode():
        drawn.load_state_dict({"step": torch.tensor(7)})


@pytest.mark.parametrize("steps", [0, 2])
@pytest.mark.parametrize("write", [wrote, assigned, loaded])
def test_a_step_counts_however_it_was_written(write: Callable[[SIGReg], None], steps: int) -> None:
    drawn = SIGReg()
    for _ in range(steps):
        drawn(Z)
    write(drawn)
    for step in (7, 8):
        assert torch.equal(drawn(Z)["loss"], sigreg(Z, seed=step)["loss"])


def test_a_gpu_is_asked_only_for_another_or_a_written_step() -> None:
    """The device meta stands in for it: it holds no number, and fails when it is asked for one."""
    for write in (
        lambda drawn: drawn.step.zero_(),
        lambda drawn: setattr(drawn, "step", drawn.step.clone()),
    ):
        drawn = SIGReg(seed=5)
        drawn(Z)
        drawn.to("meta")
        for step in (6, 7):
            assert torch.equal(drawn(Z)["loss"], sigreg(Z, seed=step)["loss"])
        write(drawn)
        with pytest.raises(RuntimeError, match="meta"):
            drawn(Z)


def test_only_training_counts() -> None:
    drawn = SIGReg()
    drawn(Z)
    before = drawn.eval()(Z)["loss"]
    assert torch.equal(drawn(Z)["loss"], before)
    assert int(drawn.step) == 1
    assert torch.equal(drawn.train()(Z)["loss"], before)
    assert int(drawn.step) == 2


def test_the_gradient_is_that_of_the_loss() -> None:
    ours, theirs = (Z.clone().requires_grad_() for _ in range(2))
    SIGReg()(ours)["loss"].backward()
    sigreg(theirs, seed=0)["loss"].backward()
    assert ours.grad is not None
    assert theirs.grad is not None
    assert torch.equal(ours.grad, theirs.grad)
    assert float(ours.grad.norm()) > 0


def test_its_number_type_is_kept_when_the_model_changes_its_own() -> None:
    """A float would stop counting at 2^24, a half at 2048."""
    assert SIGReg().half().step.dtype == torch.int64
