"""The plan that a dry run prints, on twelve kinds of folders, held to plans.txt.

`python -m tests.cli.test_plans` prints a new one: read it before it takes the place of the old.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from fullrank.cli import main
from fullrank.training.choose import Machine
from tests.data.files import make_folder, plain
from tests.data.trees import tree

GOLDEN = Path(__file__).with_name("plans.txt")
SPLITS = ("train/brick", "train/wood", "val/brick", "val/wood")


def _lists(root: Path) -> None:
    tree(root, "a", "b", count=20)
    files = sorted(root.rglob("*.png"))
    (root / "list.txt").write_text("".join(f"{path.relative_to(root)} {path.parent.name}\n" for path in files[:30]))


def _arrays(root: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (700, 12, 12, 3), dtype=np.uint8)
    np.savez(root / "arrays.npz", images=images, labels=np.arange(700) % 7)


def _tiny_imagenet(root: Path) -> None:
    tree(root, *(f"train/n0{number}/images" for number in range(3)), "val/images", "test/images", count=16)
    lines = "".join(f"{number}.png\tn0{number % 3}\t0\t0\t3\t3\n" for number in range(16))
    (root / "val" / "val_annotations.txt").write_text(lines)


CASES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a flat folder": (lambda root: plain(root, 40), ""),
    "a folder for each class": (lambda root: tree(root, "beech", "oak", count=168), ""),
    "photographs with corrupt and odd ones": (make_folder, ""),
    "train and val": (lambda root: tree(root, *SPLITS, count=64), "--image-size 32"),
    "training and validation, any case": (
        lambda root: tree(root, *(place.replace("train", "Training").replace("val", "VALIDATION") for place in SPLITS)),
        "",
    ),
    "train alone": (lambda root: tree(root, *SPLITS[:2], count=40), ""),
    "a stray image beside the classes": (lambda root: tree(root, "a", "b", "stray.png", count=30), ""),
    "files of other endings": (lambda root: tree(root, "a", "b", "a/1.raw", "a/2.RAW", "b/notes.txt", count=30), ""),
    "Tiny-ImageNet's layout": (_tiny_imagenet, "--image-size 64"),
    "a list": (_lists, "--data {root}/list.txt --crops 2x32,2x16 --image-size 32"),
    "several folders": (lambda root: tree(root, "a", "b", count=50), "--data {root}/a {root}/b"),
    "an array": (_arrays, "--data {root}/arrays.npz --epochs 3 --accumulate 2"),
}


def plans() -> str:
    """The plans of all folders on a machine of 8 GiB and two cores, but for the time."""
    text = []
    for name, (make, flags) in CASES.items():
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()) as out:
            root = Path(folder) / "my photos"
            root.mkdir()
            make(root)
            data = [] if "--data" in flags else ["--data", str(root)]
            given = [flag.replace("{root}", str(root)) for flag in flags.split()]
            with (
                mock.patch("fullrank.training.fit.this_machine", return_value=Machine(2**33, 2)),
                mock.patch("fullrank.training.dry_run.seconds_per_image", return_value=1.0),
            ):
                code = main(["train", "vicreg", *data, *given, "--dry-run"])
        said = [line.rstrip() for line in out.getvalue().replace(str(root), "ROOT").splitlines()]
        kept = [line for line in said if not line.startswith("time")]
        text += [f"== {name} {flags}".rstrip(), *kept, f"exit {code}", ""]
    return "\n".join(text)


@pytest.mark.slow
def test_the_plan_is_right_on_twelve_folders() -> None:
    assert len(CASES) == 12
    assert plans() == GOLDEN.read_text(encoding="utf-8")


if __name__ == "__main__":
    print(plans(), end="")
