"""How fast images come and are used: what workers need to read one, and how long a training waits for a batch."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

_Batch = TypeVar("_Batch")


@dataclass
class Pace:
    """Images that were read, the seconds of single workers that they took, and the seconds that batches kept waiting.

    >>> pace = Pace()
    >>> pace.read(4, 2.0)
    >>> [batch for batch in pace.waiting(["first", "second"])], pace.waited > 0, pace.rate(workers=3)
    (['first', 'second'], True, 6.0)
    """

    images: int = 0
    seconds: float = 0.0
    waited: float = 0.0

    def read(self, images: int, seconds: float) -> None:
        """A worker has read so many images in so many seconds."""
        self.images += images
        self.seconds += seconds

    def waiting(self, batches: Iterable[_Batch]) -> Iterator[_Batch]:
        """The batches, while the time that each lets one wait is counted."""
        source = iter(batches)
        while True:
            begun = time.perf_counter()
            try:
                batch = next(source)
            except StopIteration:
                return
            finally:
                self.waited += time.perf_counter() - begun
            yield batch

    def rate(self, workers: int) -> float | None:
        """Images per second that so many workers read, or the process itself without one; None if none was read."""
        return self.images * max(1, workers) / self.seconds if self.seconds else None


class Speed:
    """What `since` tells of the steps between two calls, and `whole` of all of them; `pace` is that of the images.

    Times are those of this process, and every other process is taken to be as fast. Where a GPU waits for images, the
    rate of the network is that of the CPU which starts its work: at most too high.

    >>> speed, pace = Speed(Pace(), workers=2, world=1), Pace()
    >>> speed.pace.read(100, 4.0)  # a worker reads 25 images a second
    >>> speed.pace.waited = 1.5
    >>> speed.since(100, 2.0)
    {'all': 50.0, 'reading': 50.0, 'network': 200.0}
    """

    def __init__(self, pace: Pace, *, workers: int, world: int) -> None:
        self.pace = pace
        self.workers = workers
        self.world = world
        self._images, self._seconds, self._before = 0, 0.0, Pace()

    def since(self, images: int, seconds: float) -> dict[str, float | None]:
        """The rates of the steps since the last call: so many images of all processes in so many seconds."""
        before = self._before
        latest = Pace(
            self.pace.images - before.images, self.pace.seconds - before.seconds, self.pace.waited - before.waited
        )
        self._before = replace(self.pace)
        self._images += images
        self._seconds += seconds
        return self._rates(latest, images, seconds)

    def whole(self) -> dict[str, float | None]:
        """The rates of all steps of this process; empty before the first."""
        return self._rates(self.pace, self._images, self._seconds) if self._images else {}

    def _rates(self, pace: Pace, images: int, seconds: float) -> dict[str, float | None]:
        reading = pace.rate(self.workers)
        return {
            "all": _rate(images, seconds),
            "reading": None if reading is None else round(reading * self.world, 1),
            "network": _rate(images, seconds - pace.waited),
        }


def _rate(images: int, seconds: float) -> float | None:
    """Images per second; None where no time was measured."""
    return round(images / seconds, 1) if seconds > 0 else None
