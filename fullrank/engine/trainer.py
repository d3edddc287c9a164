"""Lightning's Trainer, configured by the options of a run."""

from __future__ import annotations

import atexit
import gc
import logging
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, TypeVar

import lightning.pytorch as pl
import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins import ClusterEnvironment
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.pytorch.loggers import CSVLogger, Logger, MLFlowLogger, TensorBoardLogger, WandbLogger

from fullrank.engine.checkpoint import Checkpoint
from fullrank.engine.device import precision_of, world
from fullrank.engine.launcher import launched, lost_process_is_an_error
from fullrank.engine.options import TrainerOptions
from fullrank.engine.progress import Progress
from fullrank.engine.sealed import Sealed
from fullrank.engine.signals import leave_signals_alone

_Batch = TypeVar("_Batch")


def make_trainer(
    run: Path, options: TrainerOptions, *, steps: int, callbacks: list[pl.Callback], logger: str = "none"
) -> pl.Trainer:
    """A trainer for so many optimizer steps, on the devices and in the precision of the options.

    It neither saves checkpoints nor draws progress nor distributes the data: the callbacks and the batches do.
    """
    _leave_in_order(options)
    cuda = torch.cuda.is_available()
    devices = options.devices or (torch.cuda.device_count() if cuda else 1)
    trainer = pl.Trainer(
        accelerator="cuda" if cuda else "cpu",
        devices=devices,
        num_nodes=options.nodes,
        strategy=options.strategy,
        precision=precision_of(options.precision),  # type: ignore[arg-type]
        accumulate_grad_batches=options.accumulate,
        max_steps=steps,
        max_epochs=-1,
        logger=_loggers(run, logger),
        callbacks=callbacks,
        sync_batchnorm=cuda and devices * options.nodes > 1,
        use_distributed_sampler=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=run,
        plugins=[Sealed(), _environment()],
    )
    leave_signals_alone(trainer)
    return trainer


def launch(options: TrainerOptions) -> None:
    """Have the processes of the options from here on, for work that needs them before or without a trainer.

    Lightning starts those that no launcher has; each runs the same command. One process is left alone.
    """
    if world(options) > 1 and not torch.distributed.is_initialized():
        kind = "cuda" if torch.cuda.is_available() else "cpu"
        devices = options.devices or torch.cuda.device_count()
        _leave_in_order(options)
        with quiet():
            by = _environment()
            Fabric(accelerator=kind, devices=devices, num_nodes=options.nodes, strategy="ddp", plugins=by).launch()


def _environment() -> ClusterEnvironment:
    """Who starts the processes, as `launched` finds it: Lightning takes a single task of SLURM for one of srun's."""
    by = launched()
    if by is None:
        return LightningEnvironment()
    return SLURMEnvironment(auto_requeue=False) if by.who == "srun" else TorchElasticEnvironment()


def _leave_in_order(options: TrainerOptions) -> None:
    """Have the group of processes that Lightning is about to make end while Python still runs.

    A thread of Gloo that drops its last tensor later aborts the process, and Lightning ends groups of NCCL alone.
    """
    if world(options) > 1 and not torch.distributed.is_initialized():
        atexit.register(_leave)


def _leave() -> None:
    gc.collect()  # a network that is wrapped for the group keeps it alive
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _loggers(run: Path, logger: str) -> list[Logger]:
    if logger == "tensorboard":
        return [TensorBoardLogger(run, name="", version="tensorboard")]
    if logger == "csv":
        return [CSVLogger(run, name="", version="csv")]
    if logger == "mlflow":
        store = os.environ.get("MLFLOW_TRACKING_URI", f"sqlite:///{run.resolve() / 'mlflow.db'}")
        return [MLFlowLogger("fullrank", run_name=run.name, tracking_uri=store)]
    if logger == "wandb":
        return [WandbLogger(project="fullrank", name=run.name, save_dir=run)]
    return []


class Batches(Generic[_Batch]):
    """An iterable without length, made anew whenever it is begun: Lightning must not count it.

    >>> batches = Batches(lambda: range(2))
    >>> [*batches], [*batches], hasattr(batches, "__len__")
    ([0, 1], [0, 1], False)
    """

    def __init__(self, make: Callable[[], Iterable[_Batch]]) -> None:
        self.make = make

    def __iter__(self) -> Iterator[_Batch]:
        return iter(self.make())


@contextmanager
def in_good_order(checkpoint: Checkpoint, progress: Progress, *, silent: bool = False) -> Iterator[None]:
    """Around a trainer and its fit: signals ask it to stop, its line is drawn, and no random state is changed."""
    with (
        quiet(),
        torch.random.fork_rng(),
        checkpoint.on_signals(quiet=silent),
        progress.shown(),
        checkpoint.fits(),
        lost_process_is_an_error(),
    ):
        yield


@contextmanager
def quiet() -> Iterator[None]:
    """Without Lightning's remarks: FullRank says what matters itself."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
