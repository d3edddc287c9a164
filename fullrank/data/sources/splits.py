"""Which of the named splits of a source are trained and tested on."""

from __future__ import annotations

from collections.abc import Sequence

from fullrank.data.files.names import role
from fullrank.errors import UserError


def chosen_splits(source: str, parts: Sequence[str], asked: str) -> tuple[str, str | None, list[str]]:
    """The split to train on, the one to test on, and what is to be said of it.

    A test split is taken before one for validation. `asked` is --split: one or two names, auto or none.

    >>> chosen_splits("a.npz", ["train", "val", "test"], "auto")
    ('train', 'test', ['trained on train, tested on test', 'val not used'])
    >>> chosen_splits("a.npz", ["train", "val", "test"], "train,val")
    ('train', 'val', ['trained on train, tested on val', 'test not used'])
    """
    if asked not in ("auto", "none"):
        wanted = [part.strip() for part in asked.split(",")]
        if unknown := [part for part in wanted if part not in parts]:
            raise UserError(f"--split {asked}: {source} has no {unknown[0]}, only {', '.join(parts)}.")
        if len(wanted) > 2 or len({*wanted}) < len(wanted):
            raise UserError(f"--split {asked}: pass the split to train on and one to test on.")
        first, held = wanted[0], wanted[1:]
    else:
        train = [part for part in parts if role(part, parts) == "train"]
        if len(train) != 1 and len(parts) > 1:
            raise UserError(
                f"{source} has the splits {', '.join(parts)}: pass --split with those to train and to test on."
            )
        held = [part for kind in ("test", "validation") for part in parts if role(part, parts) == kind][:1]
        first = train[0] if train else parts[0]
    if len(parts) == 1:
        return first, None, []
    unused = [part for part in parts if part not in (first, *held)]
    notes = [f"trained on {first}" + (f", tested on {held[0]}" if held else "")]
    return first, held[0] if held else None, notes + ([f"{', '.join(unused)} not used"] if unused else [])
