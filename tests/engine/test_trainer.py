"""What configures Lightning."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import pytest

from fullrank.engine import RunOptions
from fullrank.engine.trainer import make_trainer, quiet


def test_the_options_configure_the_trainer(tmp_path: Path) -> None:
    with quiet():
        trainer = make_trainer(
            tmp_path, RunOptions(accumulate=3, precision="32-true", devices=1), steps=7, callbacks=[]
        )
    assert (trainer.max_steps, trainer.max_epochs, trainer.accumulate_grad_batches) == (7, -1, 3)
    assert (trainer.precision, trainer.num_devices, trainer.num_nodes) == ("32-true", 1, 1)
    assert trainer.loggers == []
    assert trainer.checkpoint_callback is None
    assert trainer.progress_bar_callback is None
    assert [*tmp_path.iterdir()] == []


def test_only_lightning_is_silent_and_only_for_a_while() -> None:
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    with quiet():
        assert not logger.isEnabledFor(logging.WARNING)
        warnings.warn_explicit("theirs", UserWarning, "trainer.py", 1, module="lightning.pytorch.trainer")
        with pytest.raises(UserWarning, match="ours"):
            warnings.warn_explicit("ours", UserWarning, "module.py", 1, module="fullrank.training.module")
    assert logger.level == level
