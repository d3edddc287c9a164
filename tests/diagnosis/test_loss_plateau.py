"""The plateaus by which a diagnosis knows a collapsed loss are those that the losses declare."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fullrank.cli import main
from fullrank.diagnosis.loss_plateau import LossValue, at_plateau, not_gathered
from fullrank.errors import UserError
from fullrank.losses import LOSSES, PAIR_LOSSES, STATEFUL_LOSSES
from fullrank.losses.declaration import declaration

SETTINGS = {"batch_size": 64, "dims": 16, "prototypes": 300}


def test_every_public_loss_is_known_at_the_value_that_it_declares() -> None:
    public: list[Callable[..., object]] = [*LOSSES, *STATEFUL_LOSSES, *PAIR_LOSSES]
    for loss in public:
        plateau, name = declaration(loss).point, loss.__name__.lower()
        settings = {setting: SETTINGS[setting] for setting in plateau.needs}
        at = LossValue(name, plateau(SETTINGS), **settings)
        assert "is its value when all embeddings are equal" in (at_plateau(at) or ""), name
        assert at_plateau(LossValue(name, 0.9 * plateau(SETTINGS) - 0.3, **settings)) is None, name


def test_the_words_are_the_formula() -> None:
    assert "4.844 = ln(2 x 64 - 1) is" in (at_plateau(LossValue("simclr", 4.84, batch_size=64)) or "")
    assert "-8.000 = -sqrt 64 is" in (at_plateau(LossValue("mmcr", -8.0, batch_size=64)) or "")
    assert "and 24.750 is" in (at_plateau(LossValue("vicreg", 24.75)) or "")
    local = LossValue("simclr", math.log(127), batch_size=256, local_batch=64)
    assert "4.844 = ln(2 x 64 - 1), that of the local batch" in (not_gathered(local) or "")


def test_a_memory_is_full_at_the_plateau() -> None:
    assert at_plateau(LossValue("tico", 8.0)) is not None
    assert at_plateau(LossValue("tico", 0.8)) is None


def test_what_a_plateau_needs_is_asked_for_and_nothing_else_is_taken() -> None:
    with pytest.raises(UserError, match="The plateau of simdino depends on batch_size: pass batch_size="):
        at_plateau(LossValue("simdino", -1.0))
    with pytest.raises(UserError, match="The plateau of vicreg does not depend on margin: leave it out"):
        LossValue("vicreg", 24.75, margin=0.2)
    with pytest.raises(UserError, match="There is no plateau of a loss 'hinge': pass one of alignment, "):
        LossValue("hinge", 0.2)


@pytest.mark.parametrize("loss", ["infonce=nan", "vicreg=inf"])
@pytest.mark.slow
def test_a_loss_that_is_no_number_fails_whatever_the_embeddings_are(
    loss: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("healthy.npy", np.random.default_rng(0).normal(size=(200, 8)).astype(np.float32))
    batch = ["--batch-size", "64"] if "infonce" in loss else []
    assert main(["diagnose", "healthy.npy", "--loss", loss, *batch]) == 1
    assert "the training has diverged" in capsys.readouterr().out
