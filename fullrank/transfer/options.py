"""Where a classifier is trained, and what of a protocol is changed: the fields are flags, and loading them is quick."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from fullrank.data.options import DataOptions, Labels
from fullrank.engine.launcher import with_processes
from fullrank.engine.options import Stepwise, TrainerOptions, require_numbers
from fullrank.transfer.protocols import Classify

LEAST = {
    **dict.fromkeys(("seeds", "k", "devices", "nodes", "checkpoint_every"), 1),
    **dict.fromkeys(("workers", "memory", "max_corrupt"), 0),
}


@dataclass(frozen=True, kw_only=True)
class Where(Stepwise):
    """Where a classifier is trained; nothing of it changes what is learned but the precision."""

    devices: int | None = None
    """Processes, one per GPU, or on the CPU; by default 1, or those that torchrun or srun has started."""
    nodes: int = 1
    """Machines."""
    workers: int = 2
    """Processes that decode images."""

    def options(self, out: Path | None = None) -> TrainerOptions:
        """The same as the trainer takes it, with the processes of a launcher, if there is one.

        Raise a UserError for a precision that this machine does not have.
        """
        from fullrank.engine.device import require_precision  # here, since it loads torch

        require_precision(self.precision)
        asked = TrainerOptions(out=out, devices=self.devices, nodes=self.nodes, precision=self.precision)
        return with_processes(asked, otherwise=1)


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What of a protocol is changed: the flags of a command."""

    epochs: int | None = None
    """Epochs of the classifier; by default the protocol's."""
    batch_size: int | None = None
    """Images per step; by default the protocol's."""
    lr: float | None = None
    """Learning rate of the linear head; by default the protocol's."""
    backbone_lr: float | None = None
    """Learning rate of the backbone; by default the protocol's."""

    def of(self, how: Classify) -> Classify:
        """The settings with the changes, which say that they are the user's."""
        given = {name: value for name, value in vars(self).items() if value is not None}
        require_numbers(given, {}, above=(*given,))
        return replace(how, **given, sources={**how.sources, **dict.fromkeys(given, "changed by a flag")})


@dataclass(frozen=True, kw_only=True)
class Reading(DataOptions):
    """How the data of a fine-tuning are read, where --labels is the share of the labels."""

    labels: Annotated[Labels, arg(name="folder-labels")] = None
    """Whether folders are classes: auto says what it found, and asks where images lie beside the folders; by default
    auto."""

    def flag(self, name: str) -> str:
        """What the user writes for an option."""
        return "--folder-labels" if name == "labels" else super().flag(name)


@dataclass(frozen=True, kw_only=True)
class Finetuning:
    """What a fine-tuning learns from, and how it is compared."""

    labels: str = "1.0"
    """Share of the training labels (0.01, 0.1, 1.0), drawn by seed in proportion from every class, or a list of images,
    one per line."""
    protocol: str = "ours"
    """How: intl, corinfomax or ours, or one of their settings, as intl/imagenet-multicrop."""
    control: bool = False
    """Also train the same network from random weights, for comparison."""
    seeds: int = 1
    """Seeds of the draw of labels, the head and the batches; with several, mean and standard deviation are shown."""
