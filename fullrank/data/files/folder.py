"""Folders and lists of images: found, understood, checked to the last byte, labeled."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fullrank.data.files.check import check
from fullrank.data.files.find import find_images, missing_packages
from fullrank.data.files.index import looked
from fullrank.data.files.layout import decided, understand
from fullrank.data.files.lists import read_list
from fullrank.data.files.look import Look, channels_of, paged, pages_of, range_of
from fullrank.data.files.parts import Layout, Part
from fullrank.data.images import ImageFolder
from fullrank.data.options import DataOptions
from fullrank.data.sources.classes import wanted
from fullrank.errors import UserError


@dataclass(frozen=True, eq=False)
class FolderImages:
    """What was read: training and test images, the files left out by ending, and what was decided."""

    train: ImageFolder
    test: ImageFolder | None
    left_out: Counter[str]
    notes: tuple[str, ...]


def read_folder(paths: Path | Sequence[Path], *, options: DataOptions, say: Callable[[str], None]) -> FolderImages:
    """Read folders, or lists of files, together as one data set.

    Every image is decoded once. The unreadable are left out and listed; raises UserError if their share is above
    `max_corrupt`, if there is no image, if there is only one to train on, or if what folders mean is ambiguous.
    """
    roots = [paths] if isinstance(paths, Path) else list(paths)
    layout, left_out = _gathered(roots, options)
    train, said = decided(layout.train, options)
    test = None if layout.test is None else decided(layout.test, options, ask=False)[0]
    notes = [*layout.notes, *said]
    if options.classes is not None:
        keep = wanted(options.classes, {name for name in train.names if name})
        train, test = _only(train, keep), None if test is None else _only(test, keep)
        notes.append(f"{len(keep)} classes kept by {options.classes}")
    both = train.files + (test.files if test else [])
    looks, sizes = looked(both, options, lambda files: check(files, options, say), say)
    parts = [_readable(train, looks[: len(train)], sizes[: len(train)], options.most_corrupt)]
    if len(parts[0].part) < 2:
        raise UserError(
            f"{train.where} holds {len(parts[0].part)} readable image(s), and training needs at least 2: add images."
        )
    if test is not None and len(test):
        held = _readable(test, looks[len(train) :], sizes[len(train) :], options.most_corrupt)
        if len(held.part):
            parts.append(held)
        else:
            notes.append(f"without a test set, of which none of {len(test):,} images can be read")
    seen = [look for part in parts for look in part.looks]
    notes += pages_of([path for part in parts for path in part.part.files], seen, options)
    channels, on_channels = channels_of(seen, options)
    span, on_range = range_of(seen, options)
    notes += [*on_channels, *on_range, *missing_packages(left_out)]
    images: list[ImageFolder] = []
    for part in parts:
        made = _images(part, images[0].classes if images else (), every_page=options.pages == "all")
        images.append(replace(made, channels=channels, range=span, max_pixels=options.max_pixels))
    return FolderImages(images[0], images[1] if len(images) > 1 else None, left_out, tuple(notes))


def _gathered(roots: Sequence[Path], options: DataOptions) -> tuple[Layout, Counter[str]]:
    """The layouts of all roots as one."""
    layouts, left_out = [], Counter[str]()
    for root in roots:
        if root.is_file():
            layouts.append(read_list(root, options, beside_folders=any(map(Path.is_dir, roots))))
            continue
        found = find_images(root)
        left_out += found.left_out
        if not found.files:
            beside = ", ".join(f"{ending} {count}" for ending, count in found.left_out.most_common(5))
            install = ", ".join(
                ["pass a folder with PNG, JPEG or other image files", *missing_packages(found.left_out)]
            )
            raise UserError(f"{root} holds no image{f' (but {beside})' if beside else ''}: {install}.")
        layouts.append(understand(root, found.files, options))
    where = ", ".join(str(root) for root in roots)
    if len(roots) > 1 or roots[0].is_file():  # of one folder each file is met once
        _once(layouts, where)
    if len(layouts) == 1:
        return layouts[0], left_out
    if options.labels == "folders":
        layouts = [replace(layout, train=_one_class(layout.train)) for layout in layouts]
    tests = [layout.test for layout in layouts if layout.test is not None]
    notes = [f"{root}: {note}" for root, layout in zip(roots, layouts, strict=True) for note in layout.notes]
    train = _joined([layout.train for layout in layouts], where)
    if not train.labeled:
        notes.append(f"each is flat ({options.flag('labels')} folders makes each a class)")
    return Layout(train, _joined(tests, where) if tests else None, tuple(notes)), left_out


def _one_class(part: Part) -> Part:
    return part if part.labeled else Part(part.files, [Path(part.where).name] * len(part), part.where)


def _once(layouts: Sequence[Layout], where: str) -> None:
    """Raise a UserError for a file that is met twice: it would count twice, or be trained on and tested on.

    Files are told apart by their names in folders, whichever link leads there; a file that is a link is one of its own.
    """
    parts = [part for layout in layouts for part in (layout.train, layout.test) if part is not None]
    files = [path for part in parts for path in part.files]
    split = [os.path.split(path) for path in files]
    real = {folder: os.path.realpath(folder) for folder, _ in split}
    places = [(real[folder], name) for folder, name in split]
    times = Counter(places)
    twice = len(files) - len(times)
    if twice:
        first = next(path for path, place in zip(files, places, strict=True) if times[place] > 1)
        more = " is" if twice == 1 else f" and {twice - 1:,} other{'s' * (twice > 2)} are"
        remedy = "leave out one of these" if len(layouts) > 1 else "name each file once"
        raise UserError(f"{first}{more} named twice by {where}: {remedy}.")


def _joined(parts: Sequence[Part], where: str) -> Part:
    files = [path for part in parts for path in part.files]
    return Part(files, [name for part in parts for name in part.names], where)


def _only(part: Part, keep: set[str]) -> Part:
    rows = [at for at, name in enumerate(part.names) if name in keep]
    return Part([part.files[at] for at in rows], [part.names[at] for at in rows], part.where)


@dataclass(frozen=True, eq=False)
class _Readable:
    part: Part
    looks: list[Look]
    sizes: NDArray[np.int64]
    skipped: tuple[tuple[str, str], ...]


def _readable(part: Part, looks: Sequence[Look], sizes: NDArray[np.int64], max_corrupt: float) -> _Readable:
    rows = [at for at, look in enumerate(looks) if not look.problem]
    skipped = tuple((part.files[at], look.problem) for at, look in enumerate(looks) if look.problem)
    if len(skipped) > max_corrupt * len(part):
        raise UserError(
            f"{len(skipped)} of {len(part)} images in {part.where} cannot be read (first: {': '.join(skipped[0])}): "
            f"repair or remove them, or allow more with --max-corrupt (now {max_corrupt})."
        )
    kept = Part([part.files[at] for at in rows], [part.names[at] for at in rows], part.where)
    return _Readable(kept, [looks[at] for at in rows], sizes[rows], skipped)


def _images(found: _Readable, known: tuple[str, ...], *, every_page: bool) -> ImageFolder:
    """Labeled by the names of classes, those `known` first; one image per page where every page is one."""
    part = found.part
    times = [look.frames if every_page else 1 for look in found.looks]
    files, pages = paged(part.files, times)
    sizes = found.sizes.repeat(times)
    names = {name for name in part.names if name is not None}
    if len(names | set(known)) < 2 or not names:
        return ImageFolder(files, None, (), 3, found.skipped, pages=pages, sizes=sizes)
    classes = (*known, *sorted(names - set(known)))
    number = {name: label for label, name in enumerate(classes)}
    labels = torch.tensor([-1 if name is None else number[name] for name in part.names])
    labels = labels.repeat_interleave(torch.tensor(times))
    return ImageFolder(files, labels, classes, 3, found.skipped, pages=pages, sizes=sizes)
