"""The one error that people see."""

from __future__ import annotations


class UserError(Exception):
    """Bad input: one sentence that says what was wrong, where, and what to do; the command line exits with 2.

    >>> raise UserError("photos/ holds no image: pass a folder with PNG or JPEG files.")
    Traceback (most recent call last):
    fullrank.errors.UserError: photos/ holds no image: pass a folder with PNG or JPEG files.
    """


class CollapseError(AssertionError):
    """The embeddings have collapsed; the sentence says how. Raised by `Report.raise_for_status` and in tests."""
