"""`fullrank demo`: see a collapse, and the same training without it (a minute)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fullrank.commands._common import parse, terminal
from fullrank.errors import command
from fullrank.terminal import say

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True, kw_only=True)
class Demo:
    """Train the same encoder twice on scikit-learn's digits: on invariance alone (it collapses), and on INTL."""

    out: Path = Path("runs/demo")
    """Folder of both runs and of the report; `fullrank demo` a second time takes the next free number."""
    steps: int = 300
    """Optimizer steps of each training."""
    seed: int = 0
    """Decides weights, order and augmentation, alike in both."""


def demo(options: Demo, console: Console) -> int:
    """Run both and compare them in one page."""
    from fullrank import recipes
    from fullrank.engine import RunOptions
    from fullrank.report import write_report
    from fullrank.runs import read_json
    from fullrank.training.fit import start

    out = _free(options.out)
    say(
        console,
        "Two trainings on 1,397 images of digits: the same network, images, augmentation, seed and steps.\n"
        "The first only pulls the two views of an image together; the second is INTL.\n",
    )
    runs = []
    for name in ("invariance", "intl"):
        recipe = recipes.load(name)(
            data="digits",
            image_size=16,
            batch_size=256,
            steps=options.steps,
            seed=options.seed,
            projector=(512, 512, 128),
        )
        run, ending = start(name, recipe, RunOptions(out=out / name, monitor_every=25), console)
        if not ending:
            console.print("Stopped. Start the demo again, or finish this run with:")
            say(console, command("train", "--resume", run))
            return ending.code
        runs.append(run)
    console.print()
    for run in runs:
        say(console, f"{run.name}: {read_json(run / 'result.json')['verdict']['sentence']}")
    page = write_report(runs, out / "report.html")
    say(console, f"\nOpen {page} to see both.")
    return 0


def _free(out: Path) -> Path:
    """`out` if nothing is there, else the first free of out-2, out-3, ..."""
    number, path = 1, out
    while path.exists():
        number += 1
        path = out.with_name(f"{out.name}-{number}")
    return path


def run(arguments: list[str]) -> int:
    """Do it; the exit code."""
    return demo(parse(Demo, arguments, "demo"), terminal())
