"""What a data source gives: images in memory or in files, with labels where they are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fullrank.data.decode import Shrink, header_size, read_image, reason, strict_decoding
from fullrank.data.inventory import Inventory
from fullrank.data.items import image_of
from fullrank.data.pixels import Decoded, Decoding
from fullrank.errors import UserError


@dataclass(frozen=True, eq=False)
class ImageTensor:
    """Images of one size that live in memory: uint8 (N, C, H, W), labels int64 (N,) with -1 for unknown.

    >>> ImageTensor(torch.zeros(5, 3, 8, 8, dtype=torch.uint8), None, ()).channels
    3
    """

    images: Tensor
    labels: Tensor | None
    classes: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    @property
    def channels(self) -> int:
        """How many channels every image has: 1 (gray), 3 (color), or up to 16."""
        return self.images.shape[1]


class Unreadable(UserError):
    """An image that cannot be read now: its name, and why."""

    def __init__(self, sentence: str, name: str, why: str) -> None:
        super().__init__(sentence)
        self.name, self.why = name, why


@dataclass(frozen=True, eq=False)
class ImageFolder:
    """Image files that are decoded when they are needed; `skipped` lists (path, reason) of the unreadable.

    `range` is what becomes 0 and 255 in files of more than 8 bits, `pages` the page of each entry of `files` (empty:
    the first), `max_pixels` the limit against decompression bombs where it is not Pillow's, `sizes` (N,) the bytes of
    each file when it was looked at; with `gray`, the three channels are equal whatever the file has.

    >>> len(ImageFolder(("a.png", "b.png"), None, (), channels=3))
    2
    """

    files: tuple[str, ...]
    labels: Tensor | None
    classes: tuple[str, ...]
    channels: int
    skipped: tuple[tuple[str, str], ...] = ()
    range: tuple[float, float] | None = None
    pages: tuple[int, ...] = ()
    max_pixels: int | None = None
    sizes: NDArray[np.int64] | None = None
    gray: bool = False

    def __len__(self) -> int:
        return len(self.files)

    @property
    def decoding(self) -> Decoding:
        """How the pixels of a file become 8 bits."""
        return Decoding(self.channels, self.range, gray=self.gray)

    def shorter_side(self, index: int) -> int:
        """The shorter side of image `index` in pixels, by its header where that can be read alone."""
        try:
            with strict_decoding(self.max_pixels):
                return min(header_size(Path(self.files[index])))
        except Exception:  # of another format, or gone
            return min(self.open(index).size)

    def open(self, index: int, shrink: Shrink | None = None) -> Decoded:
        """Image `index`, a JPEG maybe smaller: "L" (1 channel), "RGB" (3) or `Bands`; an unreadable one is an error."""
        path, page = self.files[index], self.pages[index] if self.pages else 0
        try:
            with strict_decoding(self.max_pixels):
                return read_image(Path(path), page=page, decoding=self.decoding, shrink=shrink)
        except Exception as error:  # decoders raise anything
            why = reason(error)
            raise Unreadable(
                f"{path} could be read at the start and cannot be read now ({why}): "
                "put the file back, or start again to leave it out.",
                path,
                why,
            ) from error


@dataclass(frozen=True, eq=False)
class ImageItems:
    """Images of a map-style data set of somebody else's, fetched by index when they are needed.

    `rows` are the items (N,) that belong to this set, `column` the name of the image where an item is a mapping.

    >>> len(ImageItems([np.zeros((4, 4), np.uint8)] * 3, torch.arange(3), None, (), channels=1))
    3
    """

    source: Any
    rows: Tensor
    labels: Tensor | None
    classes: tuple[str, ...]
    channels: int
    skipped: tuple[tuple[str, str], ...] = ()
    column: str | None = None
    range: tuple[float, float] | None = None
    max_pixels: int | None = None
    gray: bool = False

    def __len__(self) -> int:
        return len(self.rows)

    def shorter_side(self, index: int) -> int:
        """The shorter side of image `index` in pixels."""
        return min(self.open(index).size)

    def open(self, index: int, shrink: Shrink | None = None) -> Decoded:
        """Fetch image `index`; raises UserError if it is not an image or has other channels."""
        row = int(self.rows[index])
        try:
            decoding = Decoding(self.channels, self.range, gray=self.gray)
            with strict_decoding(self.max_pixels):  # it may be their code that decodes
                return image_of(self.source[row], self.column, decoding, shrink)
        except Exception as error:  # their code raises anything
            name, why = f"Item {row} of the data", reason(error)
            raise Unreadable(f"{name} cannot be read ({why}): repair or remove it.", name, why) from error


ImageSet = ImageTensor | ImageFolder | ImageItems
Images = TypeVar("Images", bound=ImageSet)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A named source. The classes of its test set are those of the training set, in order, and those it alone has.

    Attributes:
        train, test, mean, std: Images to train on and to score on; mean and deviation by channel, in [0, 1].
        name, left_out, notes: What was loaded, what was not read, by ending, and what was chosen and why.
        range: What became 0 and 255 of more than 8 bits.

    >>> some = ImageTensor(torch.zeros(5, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 1, 0, 1, -1]), ("a", "b"))
    >>> Dataset("mine", some, None, (0.5,), (0.25,)).inventory().line()
    'mine: 5 images, 2 classes (a, b), 1 of no class, no test set'
    """

    name: str
    train: ImageSet
    test: ImageSet | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    range: tuple[float, float] | None = None

    def inventory(self) -> Inventory:
        """What was understood; `left_out` counts files by ending, `notes` say what was chosen."""
        train, test = self.train, self.test
        return Inventory(
            name=self.name,
            images=len(train),
            classes=train.classes,
            unlabeled=0 if train.labels is None else int((train.labels < 0).sum()),
            test=None if test is None else len(test),
            left_out=dict(self.left_out),
            unreadable=len(train.skipped) + (0 if test is None else len(test.skipped)),
            notes=self.notes,
        )


def select(images: Images, indices: Tensor) -> Images:
    """Return the images (and labels) at `indices` (K,), an int64 tensor, in that order.

    >>> numbered = ImageTensor(torch.arange(3, dtype=torch.uint8).view(3, 1, 1, 1), None, ())
    >>> select(numbered, torch.tensor([2, 0])).images.flatten()
    tensor([2, 0], dtype=torch.uint8)
    """
    labels = None if images.labels is None else images.labels[indices]
    if isinstance(images, ImageTensor):
        return replace(images, images=images.images[indices], labels=labels)
    if isinstance(images, ImageItems):
        return replace(images, rows=images.rows[indices], labels=labels)
    rows = indices.tolist()
    files, pages = (tuple(values[row] for row in rows) if values else () for values in (images.files, images.pages))
    sizes = None if images.sizes is None else images.sizes[rows]
    return replace(images, files=files, pages=pages, labels=labels, sizes=sizes)


def labeled(images: Images) -> Images:
    """Return the images whose label is known (is not -1); raises UserError if the set has no labels at all.

    >>> some = ImageTensor(torch.zeros(3, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, -1, 1]), ("a", "b"))
    >>> labeled(some).labels
    tensor([0, 1])
    """
    if images.labels is None:
        raise UserError("These images have no labels: pass a folder with one subfolder per class, by --data.")
    return select(images, torch.nonzero(images.labels >= 0).flatten())


def split(images: Images, fraction: float, seed: int, *, by_class: bool = True) -> tuple[Images, Images]:
    """Hold out round(fraction * N) images by `held_out`: (the rest, the held out), in file order.

    Labeled images are held out in proportion from every class, and never the last image of a class; without
    `by_class` they are drawn as if they had no labels.

    >>> digits = ImageTensor(torch.zeros(10, 1, 8, 8, dtype=torch.uint8), torch.arange(10) // 5, ("a", "b"))
    >>> rest, held = split(digits, 0.4, seed=0)
    >>> rest.labels.tolist(), held.labels.tolist()
    ([0, 0, 0, 1, 1, 1], [0, 0, 1, 1])
    """
    rest, held = split_rows(images, fraction, seed, by_class=by_class)
    return select(images, rest), select(images, held)


def split_rows(images: ImageSet, fraction: float, seed: int, *, by_class: bool = True) -> tuple[Tensor, Tensor]:
    """The rows of `split`, ascending; raises UserError where one side would be empty."""
    total = len(images)
    if not 0 < (round(fraction * total) if 0 < fraction < 1 else 0) < total:
        raise UserError(
            f"A share of {fraction} of {total} images cannot be held out: at least one image must be on each side."
        )
    labels = images.labels if by_class and images.labels is not None else torch.zeros(total, dtype=torch.long)
    rest, held = held_out(labels, fraction, seed)
    if len(held) == 0:
        raise UserError("No class has two images, so none can be held out: pass more images of each class.")
    return rest, held


def held_out(labels: Tensor, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """Split range(N) by seed into ascending indices (kept, held out), in proportion from every class of `labels` (N,).

    Systematic sampling from the shuffled samples sorted by class: each class gives its share up to one sample, and
    round(fraction * N) are held out in all. The last sample of a class is kept, and another is held out for it as
    long as there is one.

    >>> kept, held = held_out(torch.tensor([0, 0, 0, 0, 1, 1, 1, 1]), 0.25, seed=0)
    >>> len(kept), held // 4
    (6, tensor([0, 1]))
    """
    total, count = len(labels), round(fraction * len(labels))
    random = np.random.default_rng(seed)
    order = random.permutation(total)
    _, which, sizes = np.unique(labels.cpu().numpy(), return_inverse=True, return_counts=True)
    if sizes.min() * count < total:  # some classes give none: the seed decides which
        which = random.permutation(len(sizes))[which]
    order = order[np.argsort(which[order], kind="stable")]
    chosen = np.zeros(total, dtype=bool)  # by place in the order
    chosen[_evenly(total, count)] = True
    by_class = np.lexsort((chosen, which[order]))  # inside of each class the kept ones first
    kept = by_class[np.flatnonzero(np.diff(which[order][by_class], prepend=-1))]
    chosen[kept] = False
    free = np.setdiff1d(np.flatnonzero(~chosen), kept)
    chosen[free[_evenly(len(free), min(count - int(chosen.sum()), len(free)))]] = True
    held = np.zeros(total, dtype=bool)
    held[order[chosen]] = True
    rest, out = torch.from_numpy(np.flatnonzero(~held)), torch.from_numpy(np.flatnonzero(held))
    return rest.to(labels.device), out.to(labels.device)


def _evenly(total: int, count: int) -> NDArray[np.int64]:
    """`count` places in range(total) at equal distances."""
    return (2 * np.arange(count) + 1) * total // max(2 * count, 1)
