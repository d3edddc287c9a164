"""`fullrank detect RUN [--flags]`: train an object detector on an encoder, and score it.
`fullrank detect --resume RUN`: go on with a detection that was stopped or killed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from fullrank.commands._common import one_source, parse, stopped, terminal
from fullrank.detection.options import DetectionData, DetectionOptions, DetectorSettings
from fullrank.errors import command
from fullrank.terminal import say

if TYPE_CHECKING:
    from rich.console import Console

    from fullrank.engine.signals import Ending


@dataclass(frozen=True, kw_only=True)
class Detect:
    """Train an object detector on an encoder and score it, in a run folder with a page."""

    encoder: Annotated[tyro.conf.Positional[str | None], tyro.conf.arg(metavar="RUN")] = None
    """A run, the file of an encoder, an export, timm:NAME or torchvision:NAME."""
    weights: str | None = None
    """Weights instead of RUN; those of another framework need the --backbone that they belong to."""
    backbone: str | None = None
    """Network of --weights; without --weights, it begins from random weights."""
    control: bool = False
    """Also train from random weights, for comparison."""
    preset: str | None = None
    """Start from published settings, coco-c4-2x or voc-c4-24k: `fullrank detect --presets` shows them."""
    data: DetectionData = field(default_factory=DetectionData)
    settings: DetectorSettings = field(default_factory=DetectorSettings)
    options: Annotated[DetectionOptions, tyro.conf.arg(name="run")] = field(default_factory=DetectionOptions)


@dataclass(frozen=True, kw_only=True)
class Resume:
    """Continue a detection from its last checkpoint; flags say where the data are now, if they have moved."""

    run: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    """Folder of a run that stopped."""
    data: DetectionData = field(default_factory=DetectionData)


def run(arguments: list[str]) -> int:
    """Run the command; returns the exit code."""
    if arguments[:1] == ["--presets"]:
        from fullrank.detection.presets import described

        print("\n".join(described()))
        return 0
    if arguments[:1] == ["--resume"]:
        return _resume(parse(Resume, arguments[1:], "detect --resume"), terminal())
    return _detect(_parsed(arguments), terminal())


def _parsed(arguments: list[str]) -> Detect:
    """The flags, on top of the settings of the preset that is among them."""
    from argparse import ArgumentParser

    parser = ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--preset", nargs="?", const="")
    found, _ = parser.parse_known_args(arguments)
    start = None
    if found.preset is not None:
        from fullrank.detection.presets import begin

        start = Detect(preset=found.preset, settings=begin(found.preset)[1])
    parsed: Detect = parse(Detect, arguments, "detect", start)
    return parsed


def _detect(options: Detect, console: Console) -> int:
    source = one_source(options.encoder, options.weights)
    with console.status("Starting"):
        from fullrank.detection.fit import start
        from fullrank.detection.job import prepare
    job = prepare(
        source,
        options.backbone,
        options.data,
        options.settings,
        options.options,
        console,
        preset=options.preset,
        control=options.control,
    )
    name = options.settings.head
    run, ending = start(job, console, name=name, preset=options.preset, control=options.control)
    return _after(run, ending, console)


def _resume(options: Resume, console: Console) -> int:
    with console.status("Starting"):
        from fullrank.detection.fit import finish
        from fullrank.detection.job import again
    return _after(options.run, finish(options.run, again(options.run, console, options.data), console), console)


def _after(run: Path, ending: Ending, console: Console) -> int:
    from fullrank.engine.launcher import process_rank

    if process_rank() != 0:
        return 0
    if not ending:
        return stopped(ending, command("detect", "--resume", run), console)
    from fullrank.detection.fit import sentence
    from fullrank.runs import read_as_run, read_json

    for folder in (run, run / "control"):
        if (folder / "result.json").exists():
            with read_as_run(folder):
                said = sentence(read_json(folder / "result.json")["scores"])
            say(console, f"{folder.name}: {said}.")
    say(console, f"Report: {run / 'report.html'}")
    return 0
