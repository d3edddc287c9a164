"""Being asked to stop: a signal is noted, and what follows happens between two steps, in all processes alike."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType

import lightning.pytorch as pl
import torch

from fullrank.engine.launcher import process_rank

_SECONDS = 1.0  # after which several processes ask each other whether one has heard a signal
_MOST = 100  # steps between, since steps may become slower
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1")  # Ctrl-C, preemption, a closed terminal, SLURM's warning


@dataclass(frozen=True)
class Ending:
    """How a training ended: true at its last step; `signal` is the number of what stopped it before, 0 for none.

    >>> bool(Ending(True)), Ending(True).code, Ending(False, 15).code
    (True, 0, 143)
    """

    finished: bool
    signal: int = 0

    def __bool__(self) -> bool:
        return self.finished

    @property
    def code(self) -> int:
        """The exit code: 0, or 128 and the number of the signal, as shells have it; without one that of Ctrl-C."""
        return 0 if self.finished else 128 + (self.signal or signal.SIGINT)

    @property
    def name(self) -> str:
        """The name of the signal, or nothing."""
        return signal.Signals(self.signal).name if self.signal else ""


class _AtOnce(BaseException):
    """A second signal came."""


class Asked:
    """Hears signals: `number` is that of the first, 0 before one came; `to_stop` is being asked without a signal."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.number = 0
        self.to_stop = False
        self._count = 0
        self._clock = clock
        self._several = False  # processes
        self._next = 0  # step at which all processes ask each other
        self._last: tuple[int, float] | None = None  # step and time of when they last did

    @contextmanager
    def heard(self, *, quiet: bool) -> Iterator[None]:
        """During the body a signal is noted and acknowledged on standard error; a second one ends the process.

        A signal that the caller has the process ignore, as nohup does, stays ignored. Only the main thread hears.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def hear(number: int, _frame: FrameType | None) -> None:
            self._count += 1
            self.number = self.number or number
            if self._count == 1 and process_rank() == 0 and not quiet:
                when = f"in {_SECONDS:.0f} second or after this step" if self._several else "after this step"
                _write(f"fullrank: {signal.Signals(number).name}: stopping {when}; a second ends at once.\n")
            if self._count == 2:
                raise _AtOnce
            if self._count > 2:  # it hangs while it ends
                os._exit(128 + self.number)

        known = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
        before = {number: signal.getsignal(number) for number in known}
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, hear)
        try:
            yield
        except _AtOnce:
            if self.number == signal.SIGINT:
                raise KeyboardInterrupt from None
            raise SystemExit(128 + self.number) from None
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def agreed(self, trainer: pl.Trainer) -> int | None:
        """The number of the signal that any of the processes has heard, 0 if one was asked without, None if none was.

        All processes call this after the same step.

        One process is asked at every step. Several ask each other about once a second, and at the last step: they agree
        on the next time as well, by the slowest of them, so that none waits for one that does not ask.
        """
        if trainer.world_size == 1:
            return self.number if self.number or self.to_stop else None
        self._several = True
        step, now = trainer.global_step, self._clock()
        if step < min(self._next, trainer.max_steps):
            return None
        at, then = self._last or (step - 1, now - _SECONDS)
        pace = (now - then) / max(step - at, 1)
        mine = torch.tensor([self.number, self.to_stop, pace], device=trainer.strategy.root_device)
        number, to_stop, slowest = trainer.strategy.reduce(mine, reduce_op="max").tolist()
        self._last = step, now
        self._next = step + max(1, min(_MOST, int(_SECONDS / max(slowest, 1e-6))))
        return int(number) if number or to_stop else None


def _write(text: str) -> None:
    """Without buffers, since the program may be writing to its own when a signal comes."""
    with suppress(OSError):  # the terminal may have gone
        os.write(2, text.encode())


def leave_signals_alone(trainer: pl.Trainer) -> None:
    """Lightning's own handlers talk to the other processes from inside of a signal, where some wait for ever."""
    trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
