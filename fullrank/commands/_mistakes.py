"""What tyro says of bad arguments, as one sentence that ends in the remedy."""

from __future__ import annotations

import contextlib
import difflib
import io
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from fullrank.errors import UserError

Parser = Callable[[list[str]], tuple[Any, list[str]]]
_BORDER = re.compile(r"\x1b\[[0-9;]*m|^[│ ] | *│?$", re.MULTILINE)  # spaces where a terminal has no UTF-8
_RULE = re.compile(r"^\W+$")
_LIST = re.compile(r"^ *(--[a-z][\w-]*) (?:\S+ )?\[\S+ \.\.\.\]", re.MULTILINE)  # --data DATA [DATA ...]
_KINDS = {"INT": "a whole number", "FLOAT": "a number", "PATH": "a path"}


def parsed(parse: Parser, arguments: list[str], command: str) -> Any:
    """What tyro makes of the arguments; where it refuses one or leaves one over, a UserError says what to write."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), _columns(None if {"-h", "--help"} & {*arguments} else 4000):
            found, left = parse(arguments)
    except SystemExit as ended:
        if ended.code != 2:  # after --help
            raise
        flags, usage = _help(parse)
        if unknown := [one for one in arguments if _is_flag(one) and _name(one) not in flags]:
            raise UserError(_no_such_flag(unknown[0], flags, command)) from None
        raise UserError(_refused(_BORDER.sub("", said.getvalue()), command)) from None
    if left:
        flags, usage = _help(parse)
        unknown = [one for one in left if _is_flag(one)]
        raise UserError(
            _no_such_flag(unknown[0], flags, command) if unknown else _stray(left[0], flags, usage, command)
        )
    _refuse_lost(parse, arguments)
    return found


def _refuse_lost(parse: Parser, arguments: Sequence[str]) -> None:
    """Raise a UserError for a flag of several values that is there twice, since those behind the first would be lost.

    Of every other flag the last one counts, as on command lines in general.
    """
    counts = Counter(_name(one) for one in arguments if one.startswith("--"))
    doubled = [flag for flag, count in counts.items() if count > 1]
    several = _LIST.findall(_help_text(parse)) if doubled else []
    if lost := [flag for flag in doubled if flag in several]:
        raise UserError(f"{lost[0]} is there twice: write it once, with all its values behind it.")


@contextlib.contextmanager
def _columns(width: int | None) -> Iterator[None]:
    """Lines of the parser's messages are broken at this width, or at the terminal's."""
    before = os.environ.get("COLUMNS")
    if width is not None:
        os.environ["COLUMNS"] = str(width)
    try:
        yield
    finally:
        os.environ.pop("COLUMNS", None)
        if before is not None:
            os.environ["COLUMNS"] = before


def _help(parse: Parser) -> tuple[list[str], str]:
    """The flags of a command, and the arguments without a flag, as its help names them."""
    text = _help_text(parse)
    lines = re.findall(r"^ *((?:-h, )?--[a-z].*)$", text, flags=re.MULTILINE)
    usage = re.search(r"usage: .*?\[OPTIONS\] ?(.*)", text)
    return [flag for line in lines for flag in re.findall(r"--[a-z][\w-]*", line)], usage[1] if usage else ""


def _help_text(parse: Parser) -> str:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit), _columns(80):
        parse(["--help"])
    return _BORDER.sub("", said.getvalue())


def _is_flag(argument: str) -> bool:
    return re.match(r"--?[a-zA-Z]", argument) is not None


def _name(flag: str) -> str:
    return "--help" if flag == "-h" else flag.partition("=")[0].replace("_", "-")


def _no_such_flag(flag: str, flags: list[str], command: str) -> str:
    name = flag.partition("=")[0]
    close = difflib.get_close_matches(_name(flag).lstrip("-"), [one[2:] for one in flags], n=1)
    remedy = f"did you mean --{close[0]}?" if close else f"see `{command} --help`."
    return f"`{command}` has no flag {name}: {remedy}"


def _stray(argument: str, flags: list[str], usage: str, command: str) -> str:
    takes = f"takes {usage.strip()}" if usage.strip() else "takes flags only"
    remedy = f"did you mean --data {argument}?" if "--data" in flags else "leave it out."
    return f"`{command}` {takes}, and {argument} is one argument too many: {remedy}"


def _refused(text: str, command: str) -> str:
    """The sentence of what tyro refused, from its message without the borders."""
    see = f"see `{command} --help`."
    if missing := re.findall(r"^ {4}(\S.*)\n((?: {8}.*\n?)+)", text, re.MULTILINE):
        return f"`{command}` lacks {_named(missing)}: {see}"
    if found := re.search(r"Missing value for argument '(.+?)'", text):
        return f"{found[1]} has no value: write one behind it, or {see}"
    if found := re.search(r"invalid choice '(.*)' for argument '(.+?)'\. Expected one of \((.*)\)", text):
        choices = sorted({*re.findall(r"'([^']*)'", found[3])} - {"None"})
        return f"{found[2]} cannot be {found[1]}: pass one of {', '.join(choices)}."
    if found := re.search(r"Error parsing (\S+?): (.*)", text):
        value = (re.findall(r"'([^']*)'", found[2]) or [""])[-1]
        metavar = re.search(rf"^ {{4}}{re.escape(found[1])}.* (?:\{{None\}}\|)?([A-Z]+)$", text, re.MULTILINE)
        kind = _KINDS.get(metavar[1] if metavar else "")
        return f"{found[1]} cannot be {value}: {f'pass {kind}.' if kind else see}"
    lines = [
        line.strip() for line in text.splitlines()[1:] if line.strip() and not _RULE.match(line)
    ]  # after its title
    return f"{(lines or ['An argument is wrong'])[0].rstrip('.')}: {see}"


def _named(missing: list[tuple[str, str]]) -> str:
    """The names of what is missing, each with what it is."""
    parts = []
    for name, text in missing:
        what = " ".join(text.split()).replace(" (required)", "").partition(". ")[0].rstrip(".")
        parts.append(f"{name.split()[0]} ({what[:1].lower()}{what[1:]})")
    return " and ".join(parts)
