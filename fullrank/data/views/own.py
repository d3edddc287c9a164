"""Views of one's own: `./augment.py:views`, a function of a file that the user names, gives their distributions."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

from fullrank.data.views.augmentation import Augmentation
from fullrank.errors import UserError
from fullrank.runs.own_code import Wanted, absolute, called

VIEWS = Wanted("function", "gives the views", "./augment.py:views")


def own_views(name: str, sizes: Sequence[int], *, channels: int) -> list[Augmentation]:
    """Run the file of an absolute name, and take the views that its function gives: one `Augmentation` for each.

    It is called without arguments, or with those of `sizes` (of all views, in pixels), `size` (of the largest) and
    `channels` that it takes. Raises UserError where its views are not of these sizes.
    """
    given = called(name, {"sizes": tuple(sizes), "size": max(sizes), "channels": channels}, VIEWS, inspect.isfunction)
    if not isinstance(given, list | tuple) or not all(isinstance(view, Augmentation) for view in given):
        what = f"a {type(given).__name__}" if not isinstance(given, list | tuple) else "others than these"
        raise UserError(f"{name} gives {what}: return a list of fullrank.data.Augmentation, one for each view.")
    made = [view.size for view in given]
    if made != [*sizes]:
        asked = ",".join(map(str, made))
        raise UserError(
            f"{name} gives views of {_pixels(made)}, and {_pixels(sizes)} are asked for: pass --crops {asked}, or "
            "return a view for each of the sizes that it is given."
        )
    return [*given]


def absolute_views(name: str) -> str:
    """The name with the whole path of its file; raises UserError where there is none."""
    return absolute(name, VIEWS)


def _pixels(sizes: Sequence[int]) -> str:
    return ", ".join(map(str, sizes)) + " px"
