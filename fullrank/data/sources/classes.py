"""`--classes FILE`: the classes of a data set that are kept."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import torch

from fullrank.data.images import Dataset, ImageSet, select
from fullrank.errors import UserError, suggest
from fullrank.runs.reading import read_text


def wanted(file: Path, known: Collection[str]) -> set[str]:
    """The classes that a file lists, one per line: the whole line, or its first word.

    Raises UserError for an unknown one.
    """
    try:
        lines = [line.strip() for line in read_text(file).splitlines()]
    except (OSError, ValueError) as error:
        raise UserError(
            f"--classes {file} cannot be read ({error}): pass a text file with one class per line."
        ) from error
    if not known:
        raise UserError(f"--classes {file}: these images have no classes to choose from: leave it out.")
    keep = set()
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        name = line if line in known else line.split()[0]
        if name not in known:
            some = ", ".join(sorted(known)[:3])
            hint = suggest(name, known, otherwise=f"the data has {len(known)}, such as {some}.")
            raise UserError(f"--classes {file}, line {number}: there are no images of the class {name}: {hint}")
        keep.add(name)
    if len(keep) < 2:
        raise UserError(f"--classes {file} lists {len(keep)} class(es): list two or more, one per line.")
    return keep


def only_classes(dataset: Dataset, file: Path) -> Dataset:
    """Of images in memory, those of the listed classes, numbered anew in the order of the data set."""
    keep = wanted(file, dataset.train.classes)
    parts = [None if part is None else _only(part, keep) for part in (dataset.train, dataset.test)]
    assert parts[0] is not None
    note = f"{len(keep)} classes kept by {file}"
    return replace(dataset, train=parts[0], test=parts[1], notes=(*dataset.notes, note))


def _only(images: ImageSet, keep: set[str]) -> ImageSet:
    if images.labels is None:
        raise UserError("--classes chooses by labels, and some of these images have none: leave it out.")
    number = torch.full((len(images.classes) + 1,), -1)  # the last is that of label -1
    kept = [name for name in images.classes if name in keep]
    for label, name in enumerate(kept):
        number[images.classes.index(name)] = label
    labels = number[images.labels]
    some = select(images, torch.nonzero(labels >= 0).flatten())
    return replace(some, labels=labels[labels >= 0], classes=tuple(kept))
