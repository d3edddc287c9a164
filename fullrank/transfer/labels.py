"""Which training images a fine-tuning sees with their labels: a stratified share by seed, or those of a list."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from fullrank.data import ImageFolder, ImageSet, held_out, select
from fullrank.data.identity import names_below
from fullrank.errors import UserError
from fullrank.runs import replace as put
from fullrank.runs.reading import read_text
from fullrank.transfer.task import Task, labels_of

_NAMED = 3  # names in a sentence


@dataclass(frozen=True)
class Labels:
    """A share of the labels in (0, 1], or the file of a list, with the share that it comes to in `share`."""

    share: float
    file: Path | None = None

    @classmethod
    def of(cls, said: str | float) -> Labels:
        """What a user said; raises UserError for what is neither a share nor a file.

        >>> Labels.of("0.01"), Labels.of(1)
        (Labels(share=0.01, file=None), Labels(share=1.0, file=None))
        >>> Labels.of("10")
        Traceback (most recent call last):
        fullrank.errors.UserError: --labels 10 is not a share: pass a number above 0 and up to 1, such as 0.1, or ...
        """
        path = Path(str(said))
        if path.is_file():
            return cls(1.0, path)
        try:
            share = float(said)
        except ValueError:
            raise UserError(
                f"--labels {said} is neither a file nor a number: pass a list of images, or a share such as 0.1."
            ) from None
        if not 0 < share <= 1:
            raise UserError(
                f"--labels {said} is not a share: pass a number above 0 and up to 1, such as 0.1, or a list of images."
            )
        return cls(share)

    def learned_from(self, task: Task) -> Task:
        """The same task, where no image of a list is asked about: those of it that were held out are learned from."""
        if self.file is None:
            return task
        known = torch.nonzero(labels_of(task.whole) >= 0).flatten()
        train = torch.cat([task.rows, listed(self.file, task.whole)]).unique()
        if len(train) == len(task.rows):
            return task
        test = known[~torch.isin(known, train)]
        if len(test) == 0:
            raise UserError(
                f"{self.file} has all the images that are held out to score on, since there is no test set: list "
                "fewer, or pass --data with a test set."
            )
        about = f"{len(test):,} of {task.about}, without those on the list"
        learned, asked = select(task.whole, train), select(task.whole, test)
        return replace(task, train=learned, test=asked, rows=train, about=about)

    def rows(self, task: Task, seed: int) -> Tensor:
        """The rows of a task's training images, ascending; at a share of 1 all of them.

        A share is drawn by seed, in proportion from every class: round(share x images) in all.
        """
        if self.file is not None:
            return torch.nonzero(torch.isin(task.rows, listed(self.file, task.whole))).flatten()
        labels = labels_of(task.train)
        if self.share == 1:
            return torch.arange(len(labels))
        count = round(self.share * len(labels))
        if count < 2:
            raise UserError(f"--labels {self.share:g} of {len(labels):,} images is {count}: pass a larger share.")
        return _stratified(labels, count, seed)


def _stratified(labels: Tensor, count: int, seed: int) -> Tensor:
    """`count` rows in proportion from every class: one of each as long as that is possible, by `held_out`."""
    kept, _ = held_out(labels, 1 - count / len(labels), seed)
    if len(kept) == count:
        return kept
    order = torch.randperm(len(kept), generator=torch.Generator().manual_seed(seed))
    return kept[order[:count]].sort().values


def listed(file: Path, images: ImageSet) -> Tensor:
    """The rows that a list names, a line for each image: the end of its path, or without files its row from 0.

    Raise a UserError for an empty list, an image that is not among those with labels, and a name that several have.
    """
    try:
        lines = [line.strip() for line in read_text(file, errors="surrogateescape").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read as a list of images ({error}): pass a text file.") from None
    if len(set(lines)) < 2:
        raise UserError(f"{file} names {len(set(lines))} images: list two or more, one per line.")
    labeled = torch.nonzero(labels_of(images) >= 0).flatten().tolist()
    called = _called(set(lines), images, labeled) if isinstance(images, ImageFolder) else {str(n): [n] for n in labeled}
    unknown = [line for line in dict.fromkeys(lines) if line not in called]
    if unknown:
        some = ", ".join(unknown[:_NAMED]) + (", ..." if len(unknown) > _NAMED else "")
        raise UserError(
            f"{file} names {len(unknown):,} images that are not among the {len(labeled):,} training images with labels "
            f"({some}): correct the list, or pass --data with the images that it is of."
        )
    if twice := [line for line in lines if len(called[line]) > 1]:
        assert isinstance(images, ImageFolder)
        path = names_below(images.files)[called[twice[0]][0]]
        more = f"write their paths in {file}, as {path}" if path != twice[0] else "pass --pages first, or a share"
        raise UserError(f"Several training images are called {twice[0]}: {more}.")
    return torch.tensor(sorted({called[line][0] for line in lines}))


def _called(names: Set[str], images: ImageFolder, rows: Iterable[int]) -> dict[str, list[int]]:
    """The rows that each name is of: whose path it is, whole or below their folder; without one, whose path ends so."""
    whole, ends = dict[str, list[int]](), dict[str, list[int]]()
    below, longest = names_below(images.files), 1 + max(name.count("/") for name in names)
    for row in rows:
        file = images.files[row]
        for name in {file, below[row]} & names:
            whole.setdefault(name, []).append(row)
        parts = file.replace(os.sep, "/").split("/")
        for name in ("/".join(parts[-count:]) for count in range(1, min(longest, len(parts)) + 1)):
            if name in names:
                ends.setdefault(name, []).append(row)
    return ends | whole


def said(rows: Tensor, labels: Tensor, classes: Sequence[str]) -> str:
    """How many images of how many are learned from, and which classes have none.

    >>> said(torch.tensor([0, 1]), torch.tensor([0, 0, 1, 1]), ["cat", "dog"])
    '2 of 4 labels; 1 of 2 classes has none of them (dog), so that it will never be named'
    """
    counts = torch.bincount(labels[rows], minlength=len(classes))
    without = [name for name, count in zip(classes, counts.tolist(), strict=True) if count == 0]
    low, high = int(counts.min()), int(counts.max())
    each = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    text = f"{len(rows):,} of {len(labels):,} labels"
    if not without:
        return f"{text}, {each} of each class"
    some = ", ".join(without[:_NAMED]) + (", ..." if len(without) > _NAMED else "")
    verb, it = ("has", "it") if len(without) == 1 else ("have", "they")
    none = f"{len(without)} of {len(classes)} classes {verb} none of them ({some})"
    return f"{text}; {none}, so that {it} will never be named"


def write_list(file: Path, rows: Tensor, images: ImageSet) -> None:
    """Write the list of some images, which `--labels` takes again."""
    names = names_below(images.files) if isinstance(images, ImageFolder) else [*map(str, range(len(images)))]
    text = "".join(f"{names[row]}\n" for row in rows.tolist())
    put(file, lambda beside: beside.write_text(text, encoding="utf-8", errors="surrogateescape"))
