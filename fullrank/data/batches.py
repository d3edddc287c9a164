"""Batches by step: which images step k sees is a function of the seed and k alone, so resuming is exact."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
import torch.utils.data
from torch import Tensor

from fullrank.data.centers import center_of_image, center_of_tensor
from fullrank.data.decode import Opener
from fullrank.data.images import ImageFolder, ImageItems, ImageSet, ImageTensor, Unreadable
from fullrank.data.missing import Lost, Missing
from fullrank.data.pace import Pace
from fullrank.errors import UserError

Crop = Callable[[Opener, torch.Generator], list[Tensor]]
Key = tuple[int, int, int]  # step, position in the global batch, index of the image

_TURNS = 8  # images that are tried for one place


class Batch(NamedTuple):
    """One rank's part of one step: uint8 (n, C, H, W), or one (n, C, S, S) a crop where the images are files.

    `rows` (n,) are the indices of its images in their set, of those that took the place of others where some did.
    """

    step: int
    images: Tensor | list[Tensor]
    rows: Tensor | None = None


@dataclass(frozen=True)
class Order:
    """Which images make up each step: N of them shuffled every epoch, the last incomplete batch dropped.

    With `keep_last` it is kept, where it has two images or more for each process. `stream` tells random numbers for one
    purpose from those for another.
    """

    total: int
    batch_size: int
    seed: int
    steps: range
    rank: int = 0
    world: int = 1
    keep_last: bool = False
    stream: tuple[int, ...] = ()

    @property
    def per_epoch(self) -> int:
        """Steps of an epoch, at least 1."""
        kept = self.keep_last and self.total % self.batch_size >= 2 * self.world
        return max(self.total // self.batch_size + kept, 1)

    def size(self, step: int) -> int:
        """Images of a step, over all ranks."""
        return min(self.batch_size, self.total - step % self.per_epoch * self.batch_size)

    def part(self, step: int) -> range:
        """The positions of this rank's images among those of a step."""
        size = self.size(step)
        return range(self.rank * size // self.world, (self.rank + 1) * size // self.world)

    def rows(self) -> Iterator[tuple[int, int, Tensor]]:
        """Each step, the global position of this rank's first image, and the indices of its images."""
        epoch, order = -1, torch.empty(0)
        for step in self.steps:
            if step // self.per_epoch != epoch:
                epoch = step // self.per_epoch
                random = np.random.Generator(np.random.PCG64(np.random.SeedSequence([self.seed, *self.stream, epoch])))
                order = torch.from_numpy(random.permutation(self.total))
            first, part = step % self.per_epoch * self.batch_size, self.part(step)
            yield step, part.start, order[first + part.start : first + part.stop]

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[list[Key]]:
        for step, position, indices in self.rows():
            yield [(step, position + i, index) for i, index in enumerate(indices.tolist())]


@dataclass(frozen=True)
class _Batches:
    """An iterable of Batch that knows its length; every iteration starts anew."""

    order: Order
    images: Callable[[], Iterable[tuple[Tensor | list[Tensor], Tensor]]]
    """The images of each step, and their indices."""

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self) -> Iterator[Batch]:
        for step, (images, rows) in zip(self.order.steps, self.images(), strict=True):
            yield Batch(step, images, rows)


def train_batches(
    images: ImageSet,
    *,
    batch_size: int,
    seed: int,
    start: int,
    stop: int,
    rank: int = 0,
    world: int = 1,
    workers: int = 0,
    crop: Crop,
    device: torch.device | str,
    keep_last: bool = False,
    missing: Missing | None = None,
    pace: Pace | None = None,
) -> _Batches:
    """Shuffled training batches of steps start..stop-1; `batch_size` is that of all `world` ranks together.

    Rank r gets the r-th contiguous part of each global batch. Images in memory move to `device` once and come
    as they are. `crop` is called in `workers` processes, with what decodes an image file and a generator that
    depends on the seed, the step and the position only; it returns V uint8 tensors (C, S, S) per image.
    The last incomplete batch of an epoch is left out, unless `keep_last`, which also allows a batch above the set.
    Where a file cannot be read any more `missing` notes it, and another image takes its place, which depends on the
    seed, the step and the position only. `pace` notes the seconds in which workers read. Raises UserError if the batch
    is smaller than 2, larger than the set, no multiple of `world`, or a file vanishes and `missing` is None.

    >>> from fullrank.data.images import ImageTensor
    >>> numbered = ImageTensor(torch.arange(4, dtype=torch.uint8).view(4, 1, 1, 1), None, ())
    >>> batches = train_batches(
    ...     numbered, batch_size=2, seed=0, start=0, stop=2, crop=lambda opened, generator: [], device="cpu"
    ... )
    >>> sorted(int(image) for batch in batches for image in batch.images)  # two steps are one epoch
    [0, 1, 2, 3]
    """
    if batch_size < 2:
        raise UserError(f"A batch of {batch_size} cannot be spread out: pass --batch-size 2 or more.")
    if batch_size > len(images) and not keep_last:
        raise UserError(
            f"A batch of {batch_size} is more than the {len(images)} training images: "
            f"pass --batch-size {len(images)} or less."
        )
    if batch_size % world:
        raise UserError(
            f"A batch of {batch_size} cannot be shared by {world} processes: "
            f"pass --batch-size {max(batch_size // world, 1) * world}."
        )
    plan = Order(len(images), batch_size, seed, range(start, stop), rank, world, keep_last)
    if not isinstance(images, ImageTensor):
        pin = torch.device(device).type == "cuda"
        made = _loader(images, plan, workers, crop, seed, pin=pin, replace=missing is not None)
        sound = _sound(made, images, missing)

        def moved() -> Iterator[tuple[list[Tensor], Tensor]]:
            for one in sound():
                if pace is not None:
                    pace.read(len(one.rows), one.seconds)
                yield [view.to(device, non_blocking=True) for view in one.views], torch.tensor(one.rows)

        return _Batches(plan, moved)
    resident = images.images.to(device)
    return _Batches(
        plan,
        lambda: ((resident.index_select(0, rows.to(device, non_blocking=True)), rows) for _, _, rows in plan.rows()),
    )


def plain_batches(
    images: ImageSet, *, size: int, batch_size: int = 512, workers: int = 0, missing: Missing | None = None
) -> Iterator[Tensor]:
    """Every image once, in order, as uint8 (n, C, size, size), without augmentation.

    Images in memory are only resized (antialiased) where their size differs: the shorter side to `size`, then
    the center. Of image files the shorter side becomes round(8/7 size), then the center is cut out. `missing` is as for
    `train_batches`.

    >>> from fullrank.data.images import ImageTensor
    >>> small = ImageTensor(torch.zeros(5, 1, 8, 8, dtype=torch.uint8), None, ())
    >>> [batch.shape[0] for batch in plain_batches(small, size=16, batch_size=4)]
    [4, 1]
    """
    return (batch for batch, _ in plain_rows(images, size, batch_size=batch_size, workers=workers, missing=missing))


def plain_rows(
    images: ImageSet, size: int, *, batch_size: int = 512, workers: int = 0, missing: Missing | None = None
) -> Iterator[tuple[Tensor, Tensor]]:
    """As `plain_batches`, each with the indices (n,) of its images, of those that took the place of others too.

    >>> from fullrank.data.images import ImageTensor
    >>> small = ImageTensor(torch.zeros(5, 1, 8, 8, dtype=torch.uint8), None, ())
    >>> [rows.tolist() for _, rows in plain_rows(small, 16, batch_size=4)]
    [[0, 1, 2, 3], [4]]
    """
    numbers = torch.arange(len(images)).split(batch_size)
    if not isinstance(images, ImageTensor):
        chunks = [[(0, i, i) for i in rows.tolist()] for rows in numbers if len(rows)]
        crop = partial(_centered, size=size)
        made = _loader(images, chunks, workers, crop, seed=0, pin=False, replace=missing is not None)
        yield from ((one.views[0], torch.tensor(one.rows)) for one in _sound(made, images, missing)())
    else:
        for part, rows in zip(images.images.split(batch_size), numbers, strict=True):
            yield center_of_tensor(part, size), rows


class _Made(NamedTuple):
    """The crops of one image, or of a batch: which images they are of, those in whose place they came, and the time."""

    views: list[Tensor]
    rows: tuple[int, ...]
    lost: tuple[Lost, ...]
    seconds: float  # of one worker


@dataclass(frozen=True)
class _Views(torch.utils.data.Dataset["_Made | UserError"]):
    """The crops of one image, by key; an error is handed on as a value, so that its text stays one sentence."""

    images: ImageFolder | ImageItems
    crop: Crop
    seed: int
    replace: bool

    def __getitem__(self, key: Key) -> _Made | UserError:
        step, position, index = key
        begun = time.perf_counter()
        lost: list[Lost] = []
        problems: list[UserError] = []
        for turn in range(_TURNS if self.replace else 1):
            at = index if turn == 0 else _state(self.seed, step, position, turn) % len(self.images)
            try:
                generator = torch.Generator().manual_seed(_state(self.seed, step, position))
                views = self.crop(partial(self.images.open, at), generator)
                return _Made(views, (at,), tuple(lost), time.perf_counter() - begun)
            except Unreadable as error:
                problems.append(error)
                lost.append((at, error.name, error.why))
            except UserError as error:
                return error
        return UserError(str(problems[0]))


def _state(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])


def _loader(
    images: ImageFolder | ImageItems,
    keys: Iterable[list[Key]],
    workers: int,
    crop: Crop,
    seed: int,
    *,
    pin: bool,
    replace: bool,
) -> Iterable[_Made | UserError]:
    return torch.utils.data.DataLoader(
        _Views(images, crop, seed, replace),
        batch_sampler=keys,
        num_workers=workers,
        collate_fn=_collate,
        pin_memory=pin,
        generator=torch.Generator(),  # else the loader draws from the global one, and a resumed run differs
    )


def _collate(items: list[_Made | UserError]) -> _Made | UserError:
    begun, made = time.perf_counter(), []
    for item in items:
        if isinstance(item, UserError):
            return item
        made.append(item)
    views = [torch.stack(view) for view in zip(*(one.views for one in made), strict=True)]
    rows, lost = tuple(one.rows[0] for one in made), tuple(lost for one in made for lost in one.lost)
    return _Made(views, rows, lost, sum(one.seconds for one in made) + time.perf_counter() - begun)


def _sound(
    batches: Iterable[_Made | UserError], images: ImageSet, missing: Missing | None
) -> Callable[[], Iterator[_Made]]:
    """The batches, once what is missing was noted."""

    def sound() -> Iterator[_Made]:
        for batch in batches:
            if isinstance(batch, UserError):
                raise batch
            if missing is not None:
                missing.note(images, batch.lost)
            yield batch

    return sound


def _centered(opened: Opener, _generator: torch.Generator, *, size: int) -> list[Tensor]:
    return [center_of_image(opened(), size)]
