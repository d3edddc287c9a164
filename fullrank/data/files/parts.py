"""Files of a split with their classes, and the words for them."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_PAST = chr(ord(os.sep) + 1)  # sorts right behind everything in a folder


@dataclass(frozen=True)
class Part:
    """Files of one split with the name of the class of each, None where it is unknown.

    Paths are strings, since a million of pathlib's take half a minute to make.
    """

    files: list[str]
    names: list[str | None]
    where: str

    def __len__(self) -> int:
        return len(self.files)

    @property
    def labeled(self) -> bool:
        """Whether there is a class for any of them."""
        return any(name is not None for name in self.names)


@dataclass(frozen=True)
class Layout:
    """The images to train on, the test set, and what was decided on the way."""

    train: Part
    test: Part | None
    notes: tuple[str, ...] = ()


def below(base: str) -> str:
    """What the paths of all files below a folder begin with; "" is the working directory."""
    return os.path.join(base, "") if base else ""


def runs(base: str, files: Sequence[str]) -> Iterator[tuple[str, Sequence[str]]]:
    """The first folder below `base`, "" for none, and the sorted files in it; those of one folder follow each other."""
    before = below(base)
    at = bisect_left(files, before)
    while at < len(files) and files[at].startswith(before):
        end = files[at].find(os.sep, len(before))
        name = "" if end < 0 else files[at][len(before) : end]
        until = bisect_left(files, before + name + _PAST, at) if name else at + 1
        yield name, files[at:until]
        at = until


def by_first_folder(base: str, files: Sequence[str]) -> dict[str, list[str]]:
    """The images below `base` by its first folder; "" for those that lie in it. Files are sorted."""
    tops: dict[str, list[str]] = {}
    for name, inside in runs(base, files):
        tops.setdefault(name, []).extend(inside)
    return tops


def listed(names: Sequence[str]) -> str:
    shown = [f"{name}/" for name in names[:5]]
    return ", ".join(shown) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def counted(count: int) -> str:
    return f"{count:,} image{'' if count == 1 else 's'}"
