"""`fullrank.detect`: what the command does, from Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from rich.console import Console

from fullrank.detection.file import TrainedDetector, load_detector
from fullrank.detection.fit import CONTROL, sentence, start
from fullrank.detection.job import prepare
from fullrank.detection.options import DetectionData, DetectionOptions, DetectorSettings
from fullrank.detection.presets import begin
from fullrank.engine.options import by_record
from fullrank.errors import UserError, command
from fullrank.runs import read_json


@dataclass(frozen=True)
class Detection:
    """A finished detection: the folder of its run, and the scores of its result.json, and of its control's if any."""

    path: Path
    scores: Mapping[str, Any]
    control: Mapping[str, Any] | None

    def load(self) -> TrainedDetector:
        """The detector, whose `find` takes image files."""
        return load_detector(self.path)

    def _repr_html_(self) -> str:
        """What a notebook shows: the scores and the page."""
        said = [sentence(dict(self.scores))]
        said += [f"control: {sentence(dict(self.control))}"] if self.control else []
        link = f'<a href="{escape(str(self.path / "report.html"))}">report</a>'
        return f"<p>{escape('; '.join(said))} {link}</p>"


def detect(
    encoder: str | Path | None = None,
    *,
    train: str | Path | Sequence[str | Path],
    val: str | Path | Sequence[str | Path],
    backbone: str | None = None,
    preset: str | None = None,
    control: bool = False,
    quiet: bool = True,
    **flags: Any,
) -> Detection:
    """Train and score an object detector on an encoder, as `fullrank detect` does.

    Args:
        encoder: A run, the file of an encoder, an export, timm:NAME or torchvision:NAME, or with `backbone` any
            weights; None begins `backbone` from random weights.
        train: COCO JSON, or VOC XML (files, a folder, a list of names), to train on.
        val: The same, to score on.
        backbone: The network that weights of another framework are of, or that begins from nothing.
        preset: Published settings to start from.
        control: Also train from random weights, for comparison.
        quiet: Without progress in the terminal.
        **flags: Settings by the names of the flags, such as head="c4", masks=True, steps=1000, lr=0.01, out="run".

    Returns:
        The scores, in [0, 1], and the folder of the run.

    Raises:
        UserError: For what cannot be read or trained on, and if it was asked to stop before the end.

    >>> detect(train="train.json", val="val.json")
    Traceback (most recent call last):
    fullrank.errors.UserError: Which encoder? Pass a run, a file or --weights, or --backbone NAME to begin from nothing.
    """
    _, settings = begin(preset)
    flags |= {name: Path(flags[name]) for name in ("out", "train_images", "val_images") if flags.get(name) is not None}
    parts = by_record("detect", flags, DetectorSettings, DetectionOptions, DetectionData)
    data = DetectionData(train=_paths(train), val=_paths(val), **parts[2])
    console = Console(quiet=quiet)
    source = None if encoder is None else str(encoder)
    changed = DetectorSettings(**vars(settings) | parts[0])
    options = DetectionOptions(**parts[1])
    job = prepare(source, backbone, data, changed, options, console, preset=preset, control=control)
    run, ending = start(job, console, name=changed.head, preset=preset, control=control)
    if not ending:
        raise UserError(f"The training in {run} was stopped: go on with `{command('detect', '--resume', run)}`.")
    beside = run / CONTROL / "result.json"
    other = read_json(beside)["scores"] if beside.exists() else None
    return Detection(run, read_json(run / "result.json")["scores"], other)


def _paths(given: str | Path | Sequence[str | Path]) -> tuple[Path, ...]:
    each = [given] if isinstance(given, str | Path) else given
    return tuple(Path(one) for one in each)
