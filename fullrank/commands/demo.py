"""`fullrank demo`: see a collapse, and the same training without it (a minute)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fullrank.commands._common import parse, terminal
from fullrank.errors import command
from fullrank.terminal import say

if TYPE_CHECKING:
    from rich.console import Console
    from torch import Tensor

_RUNS: tuple[tuple[str, str, dict[str, Any]], ...] = (  # folder, recipe, and what differs from the others
    ("untrained", "invariance", {"steps": 1, "lr": 1e-9}),
    ("collapsed", "invariance", {}),
    ("healthy", "intl", {}),
)


@dataclass(frozen=True, kw_only=True)
class Demo:
    """Train one encoder on digits in random colors: not at all, on invariance alone (it collapses), and by INTL."""

    out: Path = Path("runs/demo")
    """Folder of the runs and of the report; `fullrank demo` a second time takes the next free number."""
    steps: int = 200
    """Optimizer steps of each training."""
    seed: int = 0
    """Seed of the initial weights, the order of the images and the augmentation, the same for all."""


def demo(options: Demo, console: Console) -> int:
    """Train them and compare them in one page."""
    from fullrank import recipes
    from fullrank.engine import RunOptions
    from fullrank.engine.options import require_numbers
    from fullrank.report import write_report
    from fullrank.runs import read_json
    from fullrank.training.fit import start

    require_numbers(vars(options), {"steps": 1, "seed": 0})
    out = _free(options.out)
    say(
        console,
        "Three encoders for 1,797 digits in random colors, alike in network, images, augmentation and seed.\n"
        "The first is not trained: its one step has a rate of 1e-9.\n"
        "The second learns only to pull the two views of an image together, and collapses.\n"
        "The third is trained by INTL, which keeps every dimension in use.\n",
    )
    data, runs = _color_digits(out / "digits.npz"), []
    for folder, name, changes in _RUNS:
        settings = {"steps": options.steps, "seed": options.seed, **changes}
        recipe = recipes.load(name)(
            data=str(data), views="digits", batch_size=256, projector=(512, 512, 128), **settings
        )
        run, ending = start(name, recipe, RunOptions(out=out / folder, monitor_every=25), console)
        if not ending:
            console.print("Stopped. Start the demo again, or finish this run with:")
            say(console, command("train", "--resume", run))
            return ending.code
        runs.append(run)
    console.print()
    for run in runs:
        result = read_json(run / "result.json")
        share = f"nearest neighbors name the right digit for {100 * result['probe_knn']:.0f} % of the images"
        say(console, f"{run.name}: {share}. {result['verdict']['sentence']}")
    page = write_report(runs, out / "report.html")
    say(console, f"\nOpen {page} to see all three, their nearest neighbors, and what to do next.")
    say(console, f"Then train on images of your own: {command('train', 'intl', '--data', 'FOLDER')}")
    return 0


def _color_digits(path: Path) -> Path:
    """Write scikit-learn's digits, 16 x 16 px, each with ink and paper of random hues, so that color tells nothing."""
    import torch
    from sklearn.datasets import load_digits

    from fullrank.runs import write_npz

    digits = load_digits()
    ink = torch.from_numpy(digits.images / 16).unsqueeze(1)
    ink = torch.nn.functional.interpolate(ink, size=(16, 16), mode="bilinear").movedim(1, -1)
    generator = torch.Generator().manual_seed(0)
    hue, apart = torch.rand(2, len(ink), 1, generator=generator)
    colors = [_color(hue), 0.6 * _color(hue + 0.25 + apart / 2)]
    images = ink * colors[0][:, None, None] + (1 - ink) * colors[1][:, None, None]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_npz(path, {"images": (255 * images).round().byte().numpy(), "labels": digits.target})
    return path


def _color(hue: Tensor) -> Tensor:
    """The bright color (n, 3) of hues (n, 1), which are turns of the color circle."""
    import torch

    return 0.55 + 0.45 * torch.cos(2 * torch.pi * (hue - torch.tensor([0, 1 / 3, 2 / 3])))


def _free(out: Path) -> Path:
    """`out` if nothing is there, else the first free of out-2, out-3, ..."""
    number, path = 1, out
    while path.exists():
        number += 1
        path = out.with_name(f"{out.name}-{number}")
    return path


def run(arguments: list[str]) -> int:
    """Run the command; returns the exit code."""
    return demo(parse(Demo, arguments, "demo"), terminal())
