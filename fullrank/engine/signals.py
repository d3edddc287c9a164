"""Being asked to stop: a signal is noted, and what follows happens between two steps, in all processes alike."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType

import lightning.pytorch as pl
import torch

from fullrank.engine.gather import process_rank

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
    """Hears signals: `number` is that of the first, 0 before one came."""

    def __init__(self) -> None:
        self.number = 0
        self._count = 0

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
                _write(f"fullrank: {signal.Signals(number).name}: stopping after this step; a second ends at once.\n")
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

    def agreed(self, trainer: pl.Trainer) -> int:
        """The number of the signal that any of the processes has heard; all of them call this after the same step."""
        if trainer.world_size == 1:
            return self.number
        mine = torch.tensor(self.number, device=trainer.strategy.root_device)
        return int(trainer.strategy.reduce(mine, reduce_op="max"))


def _write(text: str) -> None:
    """Without buffers, since the program may be writing to its own when a signal comes."""
    with suppress(OSError):  # the terminal may have gone
        os.write(2, text.encode())


def leave_signals_alone(trainer: pl.Trainer) -> None:
    """Lightning's own handlers talk to the other processes from inside of a signal, where some wait for ever."""
    trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
