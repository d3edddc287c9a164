"""From a template and what it shows to one HTML page, and the page to a file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from fullrank.errors import UserError, printable
from fullrank.runs import full_disk_is_an_error, replace


def render(template: str, shown: Mapping[str, Any]) -> str:
    """The page of a template of this folder; a missing name is an error.

    Text of others is escaped: its markup, what a terminal obeys or that hides other text, and bytes that are no text.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["flags_whole"] = flags_whole
    environment.filters["marked"] = marked
    return printable(environment.get_template(template).render(shown), lines=True)


def flags_whole(code: str) -> Markup:
    """A command as escaped HTML whose flags are not broken at their hyphens by a narrow page.

    >>> print(flags_whole("fullrank train <x> --w2 0.5"))
    fullrank train &lt;x&gt; <span class="flag">--w2</span> 0.5
    """
    return Markup(re.sub(r"(?<!\S)--[a-z0-9-]+", r'<span class="flag">\g<0></span>', str(escape(code))))


def marked(text: str) -> Markup:
    """A sentence as escaped HTML, with what stands between backticks as code.

    >>> print(marked("a flag of `fullrank train` < 2"))
    a flag of <code>fullrank train</code> &lt; 2
    """
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def require_page(out: Path) -> None:
    """Raise a UserError for a place where no page can be written, or where it would replace a file that is not a page.

    >>> require_page(Path(__file__))
    Traceback (most recent call last):
    fullrank.errors.UserError: ...html.py exists and is not a page, and would be replaced by one: name another file.
    """
    stream = str(out.absolute()).startswith(("/dev/", "/proc/"))  # it may lead to a file, and is written to as it is
    with full_disk_is_an_error(out):
        if out.is_dir() or not out.parent.is_dir():
            raise UserError(f"{out} cannot be written: name a file, in a folder that exists.")
        if stream or not out.is_file() or not out.stat().st_size:
            return
        with out.open("rb") as file:
            begin = file.read(1024).removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if not begin.startswith((b"<!doctype html", b"<html")):
        raise UserError(f"{out} exists and is not a page, and would be replaced by one: name another file.")


def write_html(text: str, out: Path) -> Path:
    """Write a page, complete or not at all; returns its path. Raises UserError where no file can be.

    >>> write_html("", Path("no/such/folder/report.html"))
    Traceback (most recent call last):
    fullrank.errors.UserError: no/such/folder/report.html cannot be written: name a file, in a folder that exists.
    """
    require_page(out)
    replace(out, lambda beside: beside.write_text(text, encoding="utf-8"))
    return out
