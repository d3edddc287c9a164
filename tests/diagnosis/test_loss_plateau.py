"""The plateaus by which a diagnosis knows a collapsed loss are those that the losses declare."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import fullrank
from fullrank.cli import main
from fullrank.diagnosis.loss_plateau import LossValue, at_plateau, not_gathered, settings_of
from fullrank.errors import UserError
from fullrank.losses import LOSSES, PAIR_LOSSES, STATEFUL_LOSSES
from fullrank.losses.declaration import declaration
from tests.cli.test_errors import sentence
from tests.metrics.clouds import gaussian

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


@pytest.mark.parametrize("loss", ["infonce=nan", "vicreg=inf", "dino=-inf", "triplet=nan"])
@pytest.mark.slow
def test_a_loss_that_is_no_number_fails_whatever_the_embeddings_are(
    loss: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("healthy.npy", np.random.default_rng(0).normal(size=(200, 8)).astype(np.float32))
    assert main(["diagnose", "healthy.npy", "--no-report", "--loss", loss]) == 1
    assert "the training has diverged" in capsys.readouterr().out


def test_only_losses_with_negatives_have_a_local_batch() -> None:
    public: list[Callable[..., object]] = [*LOSSES, *STATEFUL_LOSSES, *PAIR_LOSSES]
    names = [loss.__name__.lower() for loss in public]
    names += ["clip", "mnrl", "simclr", "msn", "triplet", "soft_margin"]
    local = {name for name in names if "local_batch" in settings_of(name)[1]}
    assert local == {"infonce", "nt_xent", "dcl", "moco_v3", "nnclr", "clip", "mnrl", "simclr"}
    assert {name for name in names if "batch_size" in settings_of(name)[0]} > local  # such as mmcr
    with pytest.raises(UserError, match="The plateau of mmcr does not depend on local_batch: leave it out"):
        LossValue("mmcr", -8.0, batch_size=256, local_batch=64)


def test_a_collapse_is_not_renamed_where_both_plateaus_are_near() -> None:
    near = {"batch_size": 1024, "local_batch": 1000}
    report = fullrank.diagnose(gaussian(200, 16), loss=("infonce", math.log(1024)), **near)  # type: ignore[arg-type]
    assert [one.rule for one in report.findings] == ["loss plateau"]


def test_of_one_process_the_local_batch_is_the_whole_one() -> None:
    for value, found in ((math.log(256), ["loss plateau"]), (3.0, [])):
        loss: Any = "infonce", np.array(value)
        report = fullrank.diagnose(gaussian(200, 16), loss=loss, batch_size=256, local_batch=256)
        assert [one.rule for one in report.findings] == found


def test_the_remedy_for_negatives_that_are_not_gathered_is_printed() -> None:
    report = fullrank.diagnose(gaussian(200, 16), loss=("infonce", math.log(64)), batch_size=256, local_batch=64)
    assert [one.code for one in report.findings[0].advice.remedies] == ["views = fullrank.gather(views, dim=1)"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"loss": "infonce"}, r"loss is 'infonce': pass its name and value, as in loss=\('infonce', 5.545\)"),
        ({"loss": ("infonce", 1.0, 2)}, "pass its name and value"),
        ({"loss": 5.5}, "pass its name and value"),
        ({"loss": ("infonce", "5.5")}, "The loss is 'infonce', '5.5': pass its name and a number"),
        ({"loss": (5.5, "infonce")}, "pass its name and a number"),
        ({"loss": ("infonce", None)}, "pass its name and a number"),
        ({"loss": ("infonce", 10**400)}, "pass its name and a number"),
        ({"local_batch": 0}, "local_batch is 0: pass 2 or more"),
        ({"local_batch": 1}, "local_batch is 1: pass 2 or more"),
        ({"local_batch": 512}, "local_batch is 512 of a batch of 256: pass the share of one process"),
        ({"batch_size": "256"}, "batch_size is '256': pass a whole number"),
        ({"batch_size": 25.6}, "batch_size is 25.6: pass a whole number"),
        ({"batch_size": 1}, "batch_size is 1: pass 2 or more"),
        ({"loss": ("triplet", 0.2), "batch_size": None, "margin": math.nan}, "margin is nan: pass a number"),
    ],
)
def test_what_no_loss_can_be_is_one_sentence(options: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says):
        fullrank.diagnose(gaussian(100, 8), **{"loss": ("infonce", 5.5), "batch_size": 256, **options})


def test_the_loss_may_be_a_number_of_torch_or_numpy() -> None:
    for value in (torch.tensor(5.545), np.float32(5.545), np.float64(5.545)):
        report = fullrank.diagnose(gaussian(100, 8), loss=("infonce", value), batch_size=256)  # type: ignore[arg-type]
        assert report.findings[0].rule == "loss plateau"


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["dcl=0.5", "--batch-size", "64", "--local-batch", "1"], "--local-batch 1 is too small: pass 2 or more"),
        (["infonce=6.238", "--batch-size", "256", "--local-batch", "512"], "--local-batch 512 is not a part of"),
        (["mmcr=-8", "--batch-size", "256", "--local-batch", "64"], "does not depend on --local-batch: leave it out"),
    ],
)
def test_a_local_batch_that_cannot_be_is_one_sentence(
    flags: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "z.npy", gaussian(100, 8).numpy())
    assert says in sentence(["diagnose", str(tmp_path / "z.npy"), "--no-report", "--loss", *flags], capsys)
