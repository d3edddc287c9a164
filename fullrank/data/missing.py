"""Images that could be read when a training began and cannot be read any more: others take their place."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fullrank.data.images import ImageFolder, ImageSet, select
from fullrank.errors import UserError, printable
from fullrank.runs.reading import parse_json, read_text

MISSING = "missing.jsonl"  # of a run: the images that could not be read any more
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
    _recorded: set[tuple[object, object]] = field(default_factory=set)  # also by other processes
    _read: int = 0  # bytes of the record

    def note(self, images: ImageSet, lost: Sequence[Lost]) -> None:
        """Note some of a part of the set; raises UserError if there are too many."""
        for index, name, why in lost:
            page = images.pages[index] if isinstance(images, ImageFolder) and images.pages else 0
            if (name, page) in self._known:
                continue
            self._known.add((name, page))
            if not self._count():
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
        row = self._places[name, page]
        label = -1 if self.images.labels is None else int(self.images.labels[row])
        return {
            "file": name if self.root is None else os.path.relpath(name, self.root),
            "row": row,
            "page": page,
            "size": -1 if self.images.sizes is None else int(self.images.sizes[row]),
            "class": self.images.classes[label] if label >= 0 else None,
        }

    @cached_property
    def _places(self) -> dict[tuple[str, int], int]:
        """Where in the set each page of each file is."""
        assert isinstance(self.images, ImageFolder)
        pages = self.images.pages or (0,) * len(self.images)
        return {place: at for at, place in enumerate(zip(self.images.files, pages, strict=True))}

    def _count(self) -> int:
        """How many are in the record, of which only what is new is read."""
        if self.record.exists():
            with self.record.open("rb") as file:
                file.seek(self._read)
                new = file.read()
            whole = new[: new.rfind(b"\n") + 1]
            self._read += len(whole)
            self._recorded |= _rows(whole.decode("utf-8", "replace")).keys()
        return len(self._recorded)

    def _refuse_too_many(self, name: str, why: str) -> None:
        count = self._count()
        if count > self.most * len(self.images):
            raise UserError(
                f"{count:,} of {len(self.images):,} images could be read at the start and cannot be read now (the last "
                f"is {name}: {why}), more than --max-corrupt {self.most} allows: put them back, and go on by --resume."
            )

    def summary(self) -> str | None:
        """What is to be said of all of them at the end."""
        count = self._count()
        if not count:
            return None
        return f"Missing at the end: {count:,} of {len(self.images):,} images ({self.record}). Others took their place."


def read_missing(record: Path) -> list[Mapping[str, Any]]:
    """The rows of a record, each image once; none where there is no such file.

    >>> read_missing(Path("no/such/file"))
    []
    """
    return [*_rows(read_text(record, errors="replace") if record.exists() else "").values()]


def _rows(text: str) -> dict[tuple[object, object], Mapping[str, Any]]:
    """The rows of some lines of a record by file and page."""
    found: dict[tuple[object, object], Mapping[str, Any]] = {}
    for line in text.splitlines():
        try:
            row = parse_json(line)
            found[row["file"], row.get("page")] = row
        except (ValueError, TypeError, KeyError):  # a process was killed in the middle of it
            continue
    return found


def _is_count(value: object) -> bool:
    return type(value) is int and -1 <= value < 2**63


def restored(images: ImageSet, record: Path, root: Path | None) -> ImageSet:
    """The training set with the missing images of a record at their old places, where they are not back."""
    rows = [row for row in read_missing(record) if all(_is_count(row.get(name)) for name in ("row", "page", "size"))]
    if not rows or not isinstance(images, ImageFolder):
        return images
    pages = images.pages or (0,) * len(images)
    here = {(os.path.abspath(file), page) for file, page in zip(images.files, pages, strict=True)}
    gone: list[tuple[Mapping[str, Any], str]] = []
    for row in sorted(rows, key=lambda row: int(row["row"])):
        path = str(row["file"]) if root is None else os.path.join(root, str(row["file"]))
        if (os.path.abspath(path), row.get("page")) not in here:
            gone.append((row, path))
    return _with(images, gone) if gone else images


def _with(images: ImageFolder, gone: Sequence[tuple[Mapping[str, Any], str]]) -> ImageFolder:
    """The images, and between them those that are gone, whose rows ascend."""
    order, here = list[int](), 0
    for number, (row, _) in enumerate(gone):
        between = min(max(int(row["row"]) - len(order), 0), len(images) - here)
        order += [*range(here, here + between), len(images) + number]
        here += between
    order += range(here, len(images))
    labels, sizes, pages = images.labels, images.sizes, images.pages
    if labels is not None:
        number_of = {name: number for number, name in enumerate(images.classes)}
        labels = torch.cat([labels, labels.new_tensor([number_of.get(str(row.get("class")), -1) for row, _ in gone])])
    if sizes is not None:
        sizes = np.append(sizes, [int(row["size"]) for row, _ in gone])
    if pages:
        pages = (*pages, *(int(row["page"]) for row, _ in gone))
    files = (*images.files, *(path for _, path in gone))
    return select(replace(images, files=files, pages=pages, labels=labels, sizes=sizes), torch.tensor(order))
