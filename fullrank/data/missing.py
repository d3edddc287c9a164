"""Images that could be read when a training began and cannot be read any more: others take their place."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fullrank.data.images import ImageFolder, ImageSet
from fullrank.errors import UserError, printable
from fullrank.runs.reading import parse_json, read_text

Lost = tuple[int, str, str]  # number in its set, name, reason


@dataclass(eq=False)
class Missing:
    """Notes the missing images of a training set, in a file from which `restored` gives a resumed run its places.

    `root` is the folder of the images, `most` the share that may be missing, `tell` says the first.
    """

    images: ImageSet
    root: Path | None
    most: float
    record: Path
    tell: Callable[[str], None]
    _known: set[tuple[str, int]] = field(default_factory=set)

    def note(self, images: ImageSet, lost: Sequence[Lost]) -> None:
        """Note some of a part of the set; UserError if there are too many."""
        for index, name, why in lost:
            page = images.pages[index] if isinstance(images, ImageFolder) and images.pages else 0
            if (name, page) in self._known:
                continue
            self._known.add((name, page))
            if not read_missing(self.record):
                self.tell(
                    f"{printable(name)} could be read at the start and cannot be read now ({printable(why)}): "
                    f"another image takes its place. More of these are counted in {self.record}."
                )
            with self.record.open("a", encoding="utf-8") as file:
                file.write(json.dumps(self._row(images, index, name, page) | {"reason": why}) + "\n")
            self._refuse_too_many(name, why)

    def _row(self, images: ImageSet, index: int, name: str, page: int) -> dict[str, Any]:
        if not isinstance(images, ImageFolder) or not isinstance(self.images, ImageFolder):
            return {"file": name}
        row = next(
            at
            for at, file in enumerate(self.images.files)
            if file == name and (self.images.pages[at] if self.images.pages else 0) == page
        )
        label = -1 if self.images.labels is None else int(self.images.labels[row])
        return {
            "file": name if self.root is None else os.path.relpath(name, self.root),
            "row": row,
            "page": page,
            "size": -1 if self.images.sizes is None else int(self.images.sizes[row]),
            "class": self.images.classes[label] if label >= 0 else None,
        }

    def _refuse_too_many(self, name: str, why: str) -> None:
        count = len(read_missing(self.record))  # of all processes
        if count > self.most * len(self.images):
            raise UserError(
                f"{count:,} of {len(self.images):,} images could be read at the start and cannot be read now (the last "
                f"is {name}: {why}), more than --max-corrupt {self.most} allows: put them back, and go on by --resume."
            )

    def summary(self) -> str | None:
        """What is to be said of all of them at the end."""
        count = len(read_missing(self.record))
        if not count:
            return None
        return f"Missing at the end: {count:,} of {len(self.images):,} images ({self.record}). Others took their place."


def read_missing(record: Path) -> list[Mapping[str, Any]]:
    """The rows of a record, each image once; none where there is no such file.

    >>> read_missing(Path("no/such/file"))
    []
    """
    found: dict[tuple[object, object], Mapping[str, Any]] = {}
    for line in read_text(record, errors="replace").splitlines() if record.exists() else []:
        try:
            row = parse_json(line)
            found[row["file"], row.get("page")] = row
        except (ValueError, TypeError, KeyError):  # a process was killed in the middle of it
            continue
    return [*found.values()]


def restored(images: ImageSet, record: Path, root: Path | None) -> ImageSet:
    """The training set with the missing images of a record at their old places, where they are not back."""
    rows = [row for row in read_missing(record) if type(row.get("row")) is int]
    if not rows or not isinstance(images, ImageFolder):
        return images
    pages = images.pages or (0,) * len(images)
    here = {(os.path.abspath(file), page) for file, page in zip(images.files, pages, strict=True)}
    for row in sorted(rows, key=lambda row: int(row["row"])):
        path = str(row["file"]) if root is None else os.path.join(root, str(row["file"]))
        if (os.path.abspath(path), row.get("page")) not in here:
            images = _inserted(images, row, path)
    return images


def _inserted(images: ImageFolder, row: Mapping[str, Any], path: str) -> ImageFolder:
    at, label = min(int(row["row"]), len(images)), row.get("class")
    labels, sizes = images.labels, images.sizes
    if labels is not None:
        number = images.classes.index(label) if label in images.classes else -1
        labels = torch.cat([labels[:at], labels.new_tensor([number]), labels[at:]])
    if sizes is not None:
        sizes = np.insert(sizes, at, int(row["size"]))
    pages = (*images.pages[:at], int(row["page"]), *images.pages[at:]) if images.pages else ()
    files = (*images.files[:at], path, *images.files[at:])
    return replace(images, files=files, pages=pages, labels=labels, sizes=sizes)
