"""What was understood of a data set, to be printed, planned with and kept; no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

_SHOWN = 2  # names of classes, where not all are told
_ENDINGS = 5
NO_ENDING = "no ending"


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """Images to train on, their classes, the test set, and what was left out; `notes` say what was chosen and why.

    >>> found = Inventory(name="photos", images=336, classes=("aitzgorri", "aqua", "arch"), left_out={".txt": 2})
    >>> found.line()
    'photos: 336 images, 3 classes (aitzgorri, aqua, ...), no test set, 2 files left out (.txt 2)'
    """

    name: str
    images: int
    classes: tuple[str, ...] = ()
    unlabeled: int = 0
    """Images to train on whose class is unknown, where there are classes."""
    test: int | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Files that are not images, or of which nothing is known here, by ending."""
    unreadable: int = 0
    notes: tuple[str, ...] = ()

    def line(self) -> str:
        """All of it in one line."""
        parts = [_count(self.images, "image"), self._classes()]
        if self.unlabeled and self.classes:
            parts.append(f"{self.unlabeled:,} of no class")
        parts.append("no test set" if self.test is None else f"{_count(self.test, 'test image')}")
        if self.left_out:
            parts.append(f"{_count(sum(self.left_out.values()), 'file')} left out ({self._endings()})")
        if self.unreadable:
            parts.append(f"{self.unreadable:,} unreadable")
        return "; ".join([f"{self.name}: {', '.join(parts)}", *self.notes])

    def to_json(self) -> dict[str, Any]:
        """The same as plain numbers, lists and names, for config.json and a plan."""
        return asdict(self) | {"left_out": dict(self.left_out)}

    def _classes(self) -> str:
        if not self.classes:
            return "no labels"
        shown = self.classes if len(self.classes) <= _SHOWN else (*self.classes[:_SHOWN], "...")
        return f"{len(self.classes):,} classes ({', '.join(shown)})"

    def _endings(self) -> str:
        most = sorted(self.left_out.items(), key=lambda each: (-each[1], each[0] == NO_ENDING, each[0]))
        said = [f"{ending} {count:,}" for ending, count in most[:_ENDINGS]]
        if len(most) > _ENDINGS:
            said.append(f"others {sum(count for _, count in most[_ENDINGS:]):,}")
        return ", ".join(said)


def _count(number: int, what: str) -> str:
    """A number with its noun.

    >>> _count(1, "file"), _count(2000, "file")
    ('1 file', '2,000 files')
    """
    return f"{number:,} {what}{'' if number == 1 else 's'}"
