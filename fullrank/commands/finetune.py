"""`fullrank finetune RUN [--labels 0.01]`: train an encoder with a classifier on all labels or few, and score it.
`fullrank finetune --resume FOLDER`: go on with a fine-tuning that was stopped or killed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from fullrank.commands._common import one_source, parse, stopped, terminal
from fullrank.errors import UserError, command
from fullrank.terminal import say
from fullrank.transfer.options import Changes, Finetuning, Reading, Where

if TYPE_CHECKING:
    from rich.console import Console

    from fullrank.engine.signals import Ending


@dataclass(frozen=True, kw_only=True)
class Finetune:
    """Train an encoder with a linear classifier on labeled images, with all of its weights, and score it on a page."""

    encoder: Annotated[tyro.conf.Positional[str | None], tyro.conf.arg(metavar="RUN")] = None
    """A run, the file of an encoder, an export, timm:NAME or torchvision:NAME."""
    weights: str | None = None
    """Weights instead of RUN; those of another framework need the --backbone that they belong to."""
    backbone: str | None = None
    """Network of --weights."""
    finetuning: Finetuning = field(default_factory=Finetuning)
    data: tuple[str, ...] = ()
    """Labeled images; by default those of the run."""
    data_root: Path | None = None
    """Folder of the named data set; by default that of the run."""
    out: Path | None = None
    """Folder of the fine-tuning; by default the first free runs/finetune-NAME-DATA-1, -2, ..."""
    trust: bool = False
    """Run the Python file of the run's backbone although it has changed since the training."""
    changes: Annotated[Changes, tyro.conf.arg(name="changes of the protocol")] = field(default_factory=Changes)
    where: Annotated[Where, tyro.conf.arg(name="place")] = field(default_factory=Where)
    reading: Annotated[Reading, tyro.conf.arg(name="data", prefix_name=False)] = field(default_factory=Reading)


@dataclass(frozen=True, kw_only=True)
class Resume:
    """Continue a fine-tuning from its last checkpoint; all settings are in its config.json."""

    folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="FOLDER")]
    """Folder of a fine-tuning that stopped."""
    data: tuple[str, ...] = ()
    """Place of its images, if they have moved; by default where they were."""


def run(arguments: list[str]) -> int:
    """Run the command; returns the exit code."""
    console = terminal()
    if arguments[:1] == ["--resume"]:
        options = parse(Resume, arguments[1:], "finetune --resume")
        with console.status("Starting"):
            from fullrank.transfer.finetune import resume
        return _after(options.folder, resume(options.folder, console, data=options.data or None), console)
    return _finetune(parse(Finetune, arguments, "finetune"), console)


def _finetune(options: Finetune, console: Console) -> int:
    source = one_source(options.encoder, options.weights)
    if source is None:
        raise UserError("Which encoder? Pass a run, the file of an encoder, or --weights.")
    with console.status("Starting"):
        from fullrank.transfer.finetune import start
        from fullrank.transfer.task import Wanted
    wanted = Wanted(
        source=source,
        backbone=options.backbone,
        data=options.data or None,
        data_root=options.data_root,
        reading=options.reading,
        trust=options.trust,
    )
    folder, ending = start(wanted, options.finetuning, options.changes, options.where, console, out=options.out)
    return _after(folder, ending, console)


def _after(folder: Path, ending: Ending, console: Console) -> int:
    from fullrank.engine.launcher import process_rank

    if process_rank() != 0:
        return 0
    if not ending:
        return stopped(ending, command("finetune", "--resume", folder), console)
    say(console, f"Report: {folder / 'report.html'}")
    return 0
