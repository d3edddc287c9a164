"""Rows of a list that a column marks as those to train on and those to test on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from fullrank.data.files.names import role
from fullrank.data.files.parts import Layout, Part, counted
from fullrank.data.options import DataOptions
from fullrank.errors import UserError


def by_split(layout: Layout, marks: Sequence[str], options: DataOptions) -> Layout:
    """The layout of a list whose rows have these marks, with its test set.

    Marks that are all the same divide nothing. Raises UserError, with the flag that decides, where they may mean two
    things.
    """
    part, flag = layout.train, options.flag("split")
    asked = "auto" if options.split is None else options.split
    if asked == "none" or (asked == "auto" and len({*marks}) < 2):
        return layout
    parts = {mark: _marked(part, marks, mark) for mark in Counter(marks)}
    train, held = _by_words(parts, part.where, flag) if asked == "auto" else _asked(parts, part.where, asked, flag)
    usable = [mark for mark in held if asked != "auto" or parts[mark].labeled or not parts[train].labeled]
    test = usable[0] if usable else None
    notes = [f"trained on the rows of {train}" + (f", tested on those of {test}" if test is not None else "")]
    for mark in parts:
        if mark not in (train, test):
            why = "has no labels and is not used" if mark in held and mark not in usable else "is not used"
            notes.append(f"{mark or 'no split'} ({counted(len(parts[mark]))}) {why}")
    return Layout(parts[train], None if test is None else parts[test], (*layout.notes, *notes))


def _marked(part: Part, marks: Sequence[str], mark: str) -> Part:
    rows = [at for at, each in enumerate(marks) if each == mark]
    return Part([part.files[at] for at in rows], [part.names[at] for at in rows], part.where)


def _by_words(parts: dict[str, Part], where: str, flag: str) -> tuple[str, list[str]]:
    """The mark of the rows to train on, and those of the rows to test on, a test set before one for validation."""
    roles = {mark: role(mark, parts) for mark in parts}
    train, test, validation = (
        [mark for mark in parts if roles[mark] == each] for each in ("train", "test", "validation")
    )
    if None in roles.values() or len(train) != 1 or len(test) > 1 or len(validation) > 1:
        words = [mark for mark in parts if mark]
        said = ", ".join(words[:5]) + (f" and {len(words) - 5} more" if len(words) > 5 else "")
        beside = f" beside {counted(len(parts['']))} of none" if "" in parts else ""
        first = (train or words)[0]
        guess = [first, *[mark for mark in (*test, *validation, *words) if mark != first][:1]]
        raise UserError(
            f"{where} has {said}{beside} in its column of splits: pass {flag} with the words of the rows to train and "
            f"to test on, such as {flag} {','.join(guess)}, or {flag} none."
        )
    return train[0], [*test, *validation]


def _asked(parts: dict[str, Part], where: str, asked: str, flag: str) -> tuple[str, list[str]]:
    wanted = [word.strip() for word in asked.split(",")]
    for word in wanted:
        if word not in parts:
            raise UserError(f"{flag} {asked}: {where} has no rows of {word}, only of {', '.join(filter(None, parts))}.")
    if len({*wanted}) > 2 or len({*wanted}) < len(wanted):
        raise UserError(f"{flag} {asked}: pass the rows to train on and others to test on.")
    return wanted[0], wanted[1:]
