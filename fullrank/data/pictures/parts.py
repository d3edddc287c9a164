"""Files of a split with their classes, and the words for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Part:
    """Files of one split with the name of the class of each, None where it is unknown."""

    files: list[Path]
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


def by_first_folder(base: Path, files: Sequence[Path]) -> dict[str, list[Path]]:
    """The pictures below `base` by its first folder; "" for those that lie in it."""
    tops: dict[str, list[Path]] = {}
    depth = len(base.parts)
    for path in files:
        parts = path.parts
        if parts[:depth] == base.parts:
            tops.setdefault(parts[depth] if len(parts) > depth + 1 else "", []).append(path)
    return tops


def listed(names: Sequence[str]) -> str:
    shown = [f"{name}/" for name in names[:5]]
    return ", ".join(shown) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def counted(count: int) -> str:
    return f"{count:,} image{'' if count == 1 else 's'}"
