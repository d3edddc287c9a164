"""What the five papers publish, number by number: the commands that would reproduce it, and what they need."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from fullrank.errors import command
from fullrank.recipes._settings import with_settings
from fullrank.recipes.presets import presets

SUSTAINED = 5e13
"""Operations per second that a GPU is taken to sustain: of an A100 or H100 in bfloat16, an assumption."""
IMAGES = {
    "cifar10": 50_000,
    "cifar100": 50_000,
    "Tiny ImageNet": 100_000,
    "ImageNet-100": 130_000,
    "ImageNet": 1_281_167,
}
MULTIPLICATIONS = {  # (network, stem for small images) -> of one forward pass, and the side of its image
    ("resnet18", True): (0.56e9, 32),
    ("resnet18", False): (1.81e9, 224),
    ("resnet50", False): (4.09e9, 224),
}


@dataclass(frozen=True, kw_only=True)
class Number:
    """One published number, or one row of a table, and where it stands.

    then: what follows the training: "evaluate" by the paper's protocol for images of that size, "evaluate PAPER/TABLE"
    by that one, "score" by our own probes, "finetune SHARE" of the labels, or "coco".
    """

    paper: str
    what: str
    value: str
    where: str
    preset: str | None = None
    then: str | None = None
    note: str | None = None

    def commands(self) -> list[str]:
        """What would reproduce it, line by line; none where a setting is not known.

        >>> for line in numbers()[0].commands():
        ...     print(line)
        fullrank train intl --preset cifar10 --data-root DATA --download --out RUN
        fullrank evaluate RUN --protocol intl
        """
        if self.preset is None or self.then is None:
            return []
        recipe, name = self.preset.split("/")
        own = presets(recipe)[name].settings["data"].value == ""
        data = ["--data", "DATA"] if own else ["--data-root", "DATA", "--download"]
        train = command("train", recipe, "--preset", name, *data, "--out", "RUN")
        verb, _, of = self.then.partition(" ")
        if verb == "finetune":
            return [train, command("finetune", "RUN", "--labels", of, "--protocol", self.paper)]
        if verb == "coco":
            given = ["--train", "instances_train2017.json", "--val", "instances_val2017.json", "--masks"]
            return [train, command("detect", "RUN", "--preset", "coco-c4-2x", *given)]
        by = [] if verb == "score" else ["--protocol", of or self.paper]
        return [train, command("evaluate", "RUN", *by)]

    def needs(self) -> str:
        """The images, and the hours of a GPU that its training is estimated to take."""
        if self.preset is None:
            return ""
        recipe, name = self.preset.split("/")
        data = presets(recipe)[name].settings["data"]
        return f"{_images(recipe, name)}, about {gpu_hours(recipe, name):,.0f} GPU hours" if data else ""


def numbers() -> list[Number]:
    """All numbers, in the order of the papers' tables.

    >>> numbers()[0].value
    '92.60'
    """
    text = (Path(__file__).parent / "published.toml").read_text(encoding="utf-8")
    return [Number(**row) for row in tomllib.loads(text)["number"]]


def gpu_hours(recipe: str, name: str) -> float:
    """Hours of one GPU for the training of a preset: an estimate, good to a factor of some.

    Images times epochs times the multiplications of the backbone on all views, times 6 (two operations each, and a
    backward pass of two forward ones), at `SUSTAINED` operations per second. Heads, teachers, reading and evaluation
    are not counted.

    >>> 30 < gpu_hours("directclr", "imagenet") < 40  # the authors: 7 hours of 32 V100
    True
    """
    from fullrank import recipes

    values = {field: setting.value for field, setting in presets(recipe)[name].settings.items()}
    made = with_settings(recipes.load(recipe)(), values)
    size = made.image_size or 224
    small = made.start.stem != "imagenet" and size <= 64
    each, side = MULTIPLICATIONS[made.backbone.removeprefix("torchvision/"), small]
    views = sum((view / side) ** 2 for view in made.view_sizes(size))
    return (made.epochs or 0) * IMAGES[_images(recipe, name)] * views * each * 6 / SUSTAINED / 3600


def full_hours(trainings: int) -> float:
    """GPU hours of so many trainings of an experiment's --full, estimated alike: 100 epochs of two views of 28 px.

    >>> round(full_hours(10), 1)
    1.7
    """
    each, side = MULTIPLICATIONS["resnet18", True]
    return trainings * 6_000_000 * 2 * (28 / side) ** 2 * each * 6 / SUSTAINED / 3600


def _images(recipe: str, name: str) -> str:
    data = presets(recipe)[name].settings["data"]
    return data.value or data.source.removesuffix("'s training images")


def listing(results: Path | None = None) -> str:
    """Every number with its commands, what they need, and what of it was run here.

    `results` is the folder docs/results of the source; without it, what was run is not listed.
    """
    lines = [
        "The numbers that the five papers publish, where they could be read; HSR-BYOL's could not. GPU hours are",
        "estimated: images x epochs x views x multiplications of the backbone x 6, at 5e13 operations per second;",
        "heads and evaluation are not counted.",
        "Some of INTL's tables (few labels, VOC, ViT) and of CorInfoMax's could not be read either, and the settings",
        "of INTL's ViT are in neither its code nor what could be read: the preset imagenet-vit-s takes MoCo v3's.",
        "None of these trainings was run by us at its own size: what was run is smaller, and stands under each paper.",
    ]
    paper = ""
    for number in numbers():
        if number.paper != paper:
            paper = number.paper
            lines += ["", f"== {paper}", *_run_here(paper, results)]
        lines += ["", f"{number.what}: {number.value} ({number.where})"]
        lines += [f"  {line}" for line in number.commands()]
        lines += [f"  needs {number.needs()}"] if number.preset else []
        lines += [f"  {number.note}"] if number.note else []
    return "\n".join(lines)


def _run_here(paper: str, results: Path | None) -> list[str]:
    from fullrank.papers import catalog

    names = [name for name in catalog() if name.startswith(f"{paper}/")]
    lines = [f"Small experiments on the paper's claims, each by `fullrank paper NAME`: {', '.join(names)}."]
    if results is not None:
        run = [name for name in names if (results / "papers" / name / "result.json").is_file()]
        lines += [f"Run, with results in docs/results/papers: {', '.join(run)}."]
    return lines
