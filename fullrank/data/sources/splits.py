"""Which of the named splits of a source are trained and tested on, and their classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from fullrank.data.files.names import role
from fullrank.data.images import Images, ImageSet
from fullrank.errors import UserError


def chosen_splits(source: str, parts: Sequence[str], asked: str | None) -> tuple[str, str | None, list[str]]:
    """The split to train on, the one to test on, and what is to be said of it.

    A test split is taken before one for validation. `asked` is --split: one or two names, none, or auto,
    which is also None.

    >>> chosen_splits("a.npz", ["train", "val", "test"], "auto")
    ('train', 'test', ['trained on train, tested on test', 'val not used'])
    >>> chosen_splits("a.npz", ["train", "val", "test"], "train,val")
    ('train', 'val', ['trained on train, tested on val', 'test not used'])
    """
    asked = "auto" if asked is None else asked
    if asked == "none" and len(parts) > 1:
        raise UserError(f"--split none is for folders: pass one or two of the splits of {source}, {', '.join(parts)}.")
    if asked not in ("auto", "none"):
        wanted = [part.strip() for part in asked.split(",") if part.strip()]
        if unknown := [part for part in wanted if part not in parts]:
            raise UserError(f"--split {asked}: {source} has no {unknown[0]}, only {', '.join(parts)}.")
        if not 1 <= len({*wanted}) == len(wanted) <= 2:
            raise UserError(f"--split {asked}: pass the split of {source} to train on and one to test on.")
        first, held = wanted[0], wanted[1:]
    else:
        train = [part for part in parts if role(part, parts) == "train"]
        if len(train) != 1 and len(parts) > 1:
            raise UserError(
                f"{source} has the splits {', '.join(parts)}: pass --split with those to train and to test on."
            )
        held = [part for kind in ("test", "validation") for part in parts if role(part, parts) == kind][:1]
        first, held = (train[0], held) if train else (parts[0], [])
    if len(parts) == 1 and role(first) == "train":
        return first, None, []
    unused = [part for part in parts if part not in (first, *held)]
    notes = [f"trained on {first}" + (f", tested on {held[0]}" if held else "")]
    return first, held[0] if held else None, notes + ([f"{', '.join(unused)} not used"] if unused else [])


def by_classes_of(train: ImageSet, test: Images) -> Images:
    """The test images, whose labels count the classes of the training images, then those that they alone have."""
    if test.labels is None:
        return test
    classes = (*train.classes, *(name for name in test.classes if name not in train.classes))
    number = torch.tensor([*(classes.index(name) for name in test.classes), -1])  # the last is that of label -1
    return replace(test, labels=number[test.labels], classes=classes)
