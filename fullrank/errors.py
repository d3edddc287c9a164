"""The errors that people see, and the hint of the name that they may have meant. Every room may import this one."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Iterable
from pathlib import Path

_HIDDEN = "\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff"  # also halves of characters
_OBEYED = re.compile(f"[\x00-\x1f{_HIDDEN}]")
_OBEYED_BUT_LINES = re.compile(f"[\x00-\x08\x0b-\x1f{_HIDDEN}]")


class UserError(Exception):
    """Bad input: one sentence that says what was wrong, where, and what to do; the command line exits with 2.

    >>> raise UserError("photos/ holds no image: pass a folder with PNG or JPEG files.")
    Traceback (most recent call last):
    fullrank.errors.UserError: photos/ holds no image: pass a folder with PNG or JPEG files.
    """


class CollapseError(AssertionError):
    """The embeddings have collapsed, or become worse; the sentence says how. `raise_for_status` raises it."""


def first_line(error: BaseException) -> str:
    """What an error of a library says first; its kind, where it says nothing or no word.

    >>> first_line(ValueError("the file is cut off\\nat byte 7")), first_line(IndexError()), first_line(KeyError(105))
    ('the file is cut off', 'IndexError', 'KeyError 105')
    """
    first = (str(error).strip().splitlines() or [""])[0]
    return first if any(map(str.isalpha, first)) else f"{type(error).__name__} {first}".strip()


def suggest(name: str, known: Iterable[str], *, cutoff: float = 0.6, otherwise: str = "check its spelling.") -> str:
    """The end of a sentence about an unknown name: the closest known one, or what to do instead.

    >>> suggest("intll", ["intl", "vicreg"])
    'did you mean intl?'
    >>> suggest("x", ["intl"], otherwise="pass intl.")
    'pass intl.'
    """
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return f"did you mean {close[0]}?" if close else otherwise


def command(*words: Path | str) -> str:
    """A command of FullRank's as it is printed to be pasted, whatever is in its paths.

    >>> command("train", "--resume", Path("my runs/1"))
    "fullrank train --resume 'my runs/1'"
    """
    return shlex.join(["fullrank", *map(str, words)])


def as_flag(name: str) -> str:
    """A setting as the flag of a command.

    >>> as_flag("batch_size")
    '--batch-size'
    """
    return f"--{name.replace('_', '-')}"


def as_given(name: str, value: object) -> str:
    """A setting with its value as they are passed to a command.

    >>> as_given("batch_size", 64), as_given("steps", (1, 2)), as_given("masks", False)
    ('--batch-size 64', '--steps 1 2', '--no-masks')
    """
    if isinstance(value, bool):
        return as_flag(name if value else f"no_{name}")
    return f"{as_flag(name)} {' '.join(map(str, value if isinstance(value, tuple) else (value,)))}"


def printable(text: object, *, lines: bool = False) -> str:
    r"""Text as it may be shown anywhere: what a terminal would obey, or that hides other text, is written as an escape.

    Names of files, labels and settings come from others. `lines` lets new lines and tabs be what they are.

    >>> printable("a\x1b[2Jb\nc"), printable("a\nb", lines=True)
    ('a\\x1b[2Jb\\nc', 'a\nb')
    """
    known = _OBEYED_BUT_LINES if lines else _OBEYED
    return known.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode(), str(text))


def shell(path: Path | str) -> str:
    """A path as a shell takes it, for commands that are printed to be pasted.

    >>> shell("my runs/1")
    "'my runs/1'"
    """
    return shlex.quote(str(path))
