"""Where a training runs and how it is watched; its fields are flags, and importing it loads no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from fullrank.errors import UserError, suggest


def by_record(caller: str, flags: Mapping[str, Any], *kinds: type[Any]) -> list[dict[str, Any]]:
    """The flags of a call from Python, parted by the record that has each as a field.

    Raises UserError for an unknown one.

    >>> by_record("train", {"nodes": 2}, RunOptions)
    [{'nodes': 2}]
    >>> by_record("train", {"node": 2}, RunOptions)
    Traceback (most recent call last):
    fullrank.errors.UserError: train has no setting node: did you mean nodes?
    """
    known = [[field.name for field in fields(kind)] for kind in kinds]
    names = [name for each in known for name in each]
    for flag in flags:
        if flag not in names:
            raise UserError(f"{caller} has no setting {flag}: {suggest(flag, names)}")
    return [{name: flags[name] for name in flags if name in each} for each in known]


@dataclass(frozen=True, kw_only=True)
class TrainerOptions:
    """The settings of every training that runs on several processes: how many they are, and what they leave."""

    out: Path | None = None
    """Folder of the run; by default the first free runs/NAME-1, -2, ..., named after what is trained and on what."""
    devices: int | None = None
    """Processes, one per GPU, or on the CPU; by default all GPUs, else 1."""
    nodes: int = 1
    """Machines."""
    strategy: str = "auto"
    """Lightning's strategy: auto, ddp, fsdp, ..."""
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = "auto"
    """auto is bf16-mixed on a GPU that has it, else 32-true. The losses of recipes are always computed in float32."""
    accumulate: int = 1
    """Batches per optimizer step; the loss is computed per batch, so this does not enlarge the batch."""
    checkpoint_every: int = 500
    """Steps between two checkpoints; the last step and Ctrl-C save one too."""


@dataclass(frozen=True, kw_only=True)
class RunOptions(TrainerOptions):
    """The settings that decide where a run happens and how it is watched, not what is learned."""

    compile: bool = False
    """Compile the networks with torch.compile; its first steps take a minute, so it pays in long trainings on a GPU."""
    workers: int | None = None
    """Processes that decode the images of a folder, per device; by default one per core. Data in memory needs none."""
    monitor_every: int | None = None
    """Steps between two readings of the collapse numbers; by default 100, or more for 5 % of the time at most."""
    on_collapse: Literal["warn", "stop"] = "warn"
    """At a sign of collapse, warn; with stop, also save a checkpoint and stop after a failure."""
    probe: int | None = None
    """Training images that the collapse numbers are read from; by default 2,000, of a folder 500."""
    logger: Literal["none", "tensorboard", "csv", "mlflow", "wandb"] = "none"
    """Also log to TensorBoard, CSV or MLflow (in the run folder, or at $MLFLOW_TRACKING_URI) or Weights & Biases."""
