"""A folder of pictures: found, checked to the last byte, labeled by its subfolders."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from multiprocessing.pool import ThreadPool
from pathlib import Path

import torch
from PIL import Image
from rich.console import Console
from rich.progress import Progress
from torch import Tensor

from fullrank.data.images import ImageFolder, picture_formats, read_picture, reason, strict_decoding
from fullrank.errors import UserError

_QUIET_SECONDS = 2.0  # a check that is faster shows nothing
_LINE_SECONDS = 10.0  # between two lines where there is no terminal


def read_folder(
    folder: Path, *, max_corrupt: float, say: Callable[[str], None]
) -> tuple[ImageFolder, ImageFolder | None]:
    """Read (train, test) from a folder: `train/` with `test/` or `val/` beside it, else all of it and None.

    Every picture is decoded once. The unreadable are left out and listed; UserError if their share is above
    `max_corrupt`, if there is no picture, or only one to train on.
    """
    held = [folder / name for name in ("test", "val") if (folder / name).is_dir()]
    if not ((folder / "train").is_dir() and held):
        return _at_least_two(_read(folder, max_corrupt, say), folder), None
    # ImageNet's test/ is flat and unlabeled, its val/ is the one with classes
    held.sort(key=lambda path: not any(child.is_dir() for child in path.iterdir()))
    train = _at_least_two(_read(folder / "train", max_corrupt, say), folder / "train")
    test = _read(held[0], max_corrupt, say, train.classes)
    channels = max(train.channels, test.channels)
    return replace(train, channels=channels), replace(test, channels=channels)


def _read(
    folder: Path, max_corrupt: float, say: Callable[[str], None], classes: tuple[str, ...] | None = None
) -> ImageFolder:
    """Read one folder; `classes` are those of the training folder, None where this is the training folder."""
    found = _find(folder)
    if not found:
        raise UserError(f"{folder} holds no picture: pass a folder with PNG, JPEG or other picture files.")
    gray, files, skipped = True, [], []
    for path, (mode, problem) in zip(found, _check(found, say), strict=True):
        if problem:
            skipped.append((str(path), problem))
        else:
            files.append(path)
            gray = gray and mode == "L"
    if len(skipped) > max_corrupt * len(found):
        raise UserError(
            f"{len(skipped)} of {len(found)} pictures in {folder} cannot be read (first: {': '.join(skipped[0])}): "
            f"repair or remove them, or allow more with --max-corrupt (now {max_corrupt})."
        )
    labels, classes = _label(files, folder, classes)
    return ImageFolder(tuple(files), labels, classes, 1 if gray else 3, tuple(skipped))


def _at_least_two(images: ImageFolder, folder: Path) -> ImageFolder:
    if len(images) < 2:
        raise UserError(f"{folder} holds {len(images)} readable picture(s), training needs at least 2: add pictures.")
    return images


@cache
def _extensions() -> frozenset[str]:
    readable = picture_formats()
    return frozenset(end for end, name in Image.registered_extensions().items() if name in readable)


def _find(root: Path) -> list[Path]:
    """All files named like a picture, sorted; no hidden ones, and no folder twice (links may form a loop)."""
    seen: set[tuple[int, int]] = set()
    folders, found = [str(root)], []
    links: list[str] = []
    while folders or links:  # links last, so that a folder is met in its own place
        folder = folders.pop() if folders else links.pop(0)
        try:
            status = os.stat(folder)
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            raise UserError(f"{folder} cannot be listed ({error.strerror}): make it readable or remove it.") from error
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if os.path.isdir(entry.path):
                (links if entry.is_symlink() else folders).append(entry.path)
            elif os.path.splitext(entry.name)[1].lower() in _extensions():
                found.append(entry.path)
    return [Path(path) for path in sorted(found)]


def _check(files: list[Path], say: Callable[[str], None]) -> list[tuple[str, str]]:
    """Decode each file once: its mode and "", or "" and what is wrong with it."""
    with strict_decoding(), ThreadPool(os.cpu_count()) as pool:
        return list(_shown(pool.imap(_check_one, files, chunksize=16), len(files), say))


def _check_one(path: Path) -> tuple[str, str]:
    try:
        return read_picture(path, small=True).mode, ""
    except Exception as error:  # decoders raise anything
        return "", "empty file" if path.is_file() and path.stat().st_size == 0 else reason(error)


def _shown(results: Iterable[tuple[str, str]], total: int, say: Callable[[str], None]) -> Iterator[tuple[str, str]]:
    """Pass the results on, with a progress bar (or lines, where there is no terminal) if it takes long."""
    bar = Progress(console=Console(stderr=True), transient=True)
    task = bar.add_task("checking pictures", total=total)
    due = time.monotonic() + _QUIET_SECONDS
    with ExitStack() as stack:
        for done, result in enumerate(results, start=1):
            yield result
            bar.update(task, completed=done)
            if time.monotonic() < due:
                continue
            if sys.stderr.isatty():
                stack.enter_context(bar)
                due = float("inf")  # it refreshes itself
            else:
                say(f"checked {done:,} of {total:,} pictures")
                due = time.monotonic() + _LINE_SECONDS


def _label(files: list[Path], root: Path, classes: tuple[str, ...] | None) -> tuple[Tensor | None, tuple[str, ...]]:
    """Labels by the first folder below the root; none if a picture lies in the root or all in one folder."""
    parts = [path.relative_to(root).parts for path in files]
    found = sorted({names[0] for names in parts})
    classes = tuple(found) if classes is None else classes
    if len(classes) < 2 or any(len(names) == 1 for names in parts):
        return None, ()
    number = {name: label for label, name in enumerate(classes)}
    if unknown := [name for name in found if name not in number]:
        raise UserError(f"{root / unknown[0]} is a class that the training folder lacks: add it there or remove it.")
    return torch.tensor([number[names[0]] for names in parts]), classes
