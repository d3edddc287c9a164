"""What the commands share: parsing by tyro, the console, and output whose reader may leave."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any, TextIO

from fullrank.errors import UserError, printable
from fullrank.terminal import say

if TYPE_CHECKING:
    from rich.console import Console

    from fullrank.engine.signals import Ending


def terminal(*, stderr: bool = False) -> Console:
    """The terminal, or what stands in its place, or standard error; it ignores control sequences in a text."""
    from rich.console import Console
    from rich.text import Text

    class Terminal(Console):
        def render_str(self, text: str, **settings: Any) -> Text:
            return super().render_str(printable(text, lines=True), **settings)

    return Terminal(stderr=stderr)


def parse(kind: Any, arguments: list[str], command: str, default: Any = None) -> Any:
    """The dataclass `kind` from the arguments; tyro prints help and exits, and mistakes raise a UserError."""
    import tyro

    from fullrank.commands._mistakes import parsed

    rules = None
    if "--help" in arguments or "-h" in arguments:
        from fullrank.commands._help import plain_help

        rules = plain_help()

    def by_tyro(words: list[str]) -> Any:
        return tyro.cli(
            kind,
            args=words,
            prog=f"fullrank {command}",
            config=(tyro.conf.OmitArgPrefixes,),
            default=tyro.MISSING_NONPROP if default is None else default,
            return_unknown_args=True,
            registry=rules,
        )

    return parsed(by_tyro, arguments, f"fullrank {command}")


def one_source(encoder: str | None, weights: str | None) -> str | None:
    """Where to begin, RUN or --weights; both together raise a UserError.

    >>> one_source("runs/1", None)
    'runs/1'
    """
    if encoder is not None and weights is not None:
        raise UserError("RUN and --weights both say where to begin: pass one of them.")
    return encoder if encoder is not None else weights


def stopped(ending: Ending, again: str, console: Console) -> int:
    """Say what goes on with a training that was stopped, and have SLURM queue its job again; the exit code."""
    by = f"Stopped by {ending.name}" if ending.name else "Stopped"
    say(console, f"{by}; nothing is lost. Go on with: {again}")
    if ending.name == "SIGUSR1":
        from fullrank.engine.launcher import requeue

        if queued := requeue():
            say(console, queued)
    return ending.code


class _Unread:
    """A stream that goes on in silence when its reader has gone."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write, or do as if."""
        self._kept(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Flush, or do as if."""
        self._kept(self._stream.flush)

    def _kept(self, act: Callable[[], object]) -> None:
        try:
            act()
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EIO):  # the reader, or the terminal, has gone
                raise
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())  # what is still buffered goes there too
            os.close(nowhere)


@contextmanager
def unread_output() -> Iterator[None]:
    """During the body, a reader of standard output that leaves changes nothing of what a command does."""
    stream = sys.stdout
    if stream is None:  # closed before the start (>&-)
        with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
            yield
        return
    sys.stdout = output = _Unread(stream)
    try:
        yield
    finally:
        output.flush()
        sys.stdout = stream
