"""The parts of a page that a generator writes, between two marks."""

from __future__ import annotations


def between(text: str, begin: str, end: str, made: str) -> str:
    r"""The text with `made` from the mark `begin` to the next `end`, in the place of what stood there.

    >>> between("a\n<b>\nold\n<e>\nz\n", "<b>\n", "<e>\n", "new\n")
    'a\n<b>\nnew\n<e>\nz\n'
    """
    before, rest = text.split(begin)
    return before + begin + made + end + rest.split(end, 1)[1]
