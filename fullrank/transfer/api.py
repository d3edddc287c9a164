"""`fullrank.finetune`: what the command does, from Python."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from rich.console import Console

from fullrank.engine.options import by_record
from fullrank.errors import UserError, command
from fullrank.evaluation.model import Model, open_model
from fullrank.runs import read_json
from fullrank.runs.run import Run
from fullrank.transfer.finetune import ENCODER, start
from fullrank.transfer.options import Changes, Finetuning, Where
from fullrank.transfer.task import Wanted


@dataclass(frozen=True)
class Finetuned:
    """A finished fine-tuning: the folder of its run, and the content of its result.json."""

    path: Path
    result: Mapping[str, Any]

    @property
    def accuracy(self) -> float:
        """Top-1 accuracy on the test set after the last epoch, in [0, 1]: the mean over seeds."""
        return float(self.result["rows"][ENCODER]["last"]["top1"]["mean"])

    def load(self, seed: int = 0) -> Model:
        """The fine-tuned encoder of a seed, whose `embed` takes images."""
        return open_model(self.path / f"{ENCODER}-{seed}")

    def _repr_html_(self) -> str:
        """What a notebook shows: the sentence and the page."""
        link = f'<a href="{escape(str(self.path / "report.html"))}">report</a>'
        return f"<p>{escape(str(self.result['sentence']))} {link}</p>"


def finetune(
    encoder: str | Path | Run,
    *,
    labels: float | str | Path = 1.0,
    data: object = None,
    protocol: str = "ours",
    control: bool = False,
    seeds: int = 1,
    backbone: str | None = None,
    out: str | Path | None = None,
    quiet: bool = True,
    **flags: Any,
) -> Finetuned:
    """Fine-tune an encoder with all of its weights on labeled images, as `fullrank finetune` does.

    Args:
        encoder: A run, the file of an encoder, an export, timm:NAME or torchvision:NAME, or with `backbone` any
            weights.
        labels: Share of the training labels in (0, 1], drawn by seed in proportion from every class, or the file of a
            list of images.
        data: What `--data` takes, or an object with images and labels as for `train`; by default the run's own.
        protocol: intl, corinfomax or ours, or one of their settings, as intl/imagenet-multicrop.
        control: Also train the same network from random weights, for comparison.
        seeds: How many seeds.
        backbone: The network that weights of another framework are of.
        out: Folder of the fine-tuning; by default the first free runs/finetune-NAME-DATA-1, -2, ...
        quiet: Without progress in the terminal.
        **flags: epochs, batch_size, lr (of the head) and backbone_lr in the place of the protocol's; precision,
            workers and checkpoint_every.

    Returns:
        The folder, and the content of its result.json; accuracies are in [0, 1].

    Raises:
        UserError: For what the command refuses, and if it was asked to stop before the end.

    >>> finetune("no/such/run")
    Traceback (most recent call last):
    fullrank.errors.UserError: no/such/run does not exist: pass the folder of a run, or the file of an encoder.
    """
    changes, where = by_record("finetune", flags, Changes, Where)
    source = str(encoder.path if isinstance(encoder, Run) else encoder)
    folder, ending = start(
        Wanted(source=source, backbone=backbone, data=data),
        Finetuning(labels=str(labels), protocol=protocol, control=control, seeds=seeds),
        Changes(**changes),
        Where(**where),
        Console(quiet=quiet),
        out=None if out is None else Path(out),
    )
    if not ending:
        raise UserError(
            f"The fine-tuning in {folder} was stopped: go on with `{command('finetune', '--resume', folder)}`."
        )
    return Finetuned(folder, read_json(folder / "result.json"))
