"""How a law is tried: what breaks it becomes one sentence, and so does an exception that is not an exception."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from fullrank.errors import UserError, suggest


def judged(name: str, law: str, says: str, trial: Callable[[], None], breaks: Mapping[str, str]) -> str:
    """What is wrong with `name` under a law, which `trial` tries; "" if nothing is.

    >>> judged("mine", "size", "it is small", lambda: None, {"size": "it is large"})
    'mine is said to break the law "size" (it is small), since "it is large", but holds it: leave it out of breaks.'
    """
    try:
        trial()
        broken = ""
    except AssertionError as error:
        broken = str(error)
    except Exception as error:  # whatever is raised is of its making
        broken = f"it raised {type(error).__name__}: {error}"
    if law not in breaks:
        return broken and f'{name} breaks the law "{law}" ({says}): {broken.rstrip(".")}.'
    said = f'{name} is said to break the law "{law}" ({says}), since "{breaks[law]}"'
    return "" if broken else f"{said}, but holds it: leave it out of breaks."


def chosen(name: str, law: str | None, breaks: Mapping[str, str], laws: Sequence[str]) -> Sequence[str]:
    """The laws to try: the one that is asked for, or all; raises UserError for one that is none."""
    for given in (*breaks, *([] if law is None else [law])):
        if given not in laws:
            hint = suggest(given, laws, otherwise=f"pass one of {', '.join(laws)}.")
            raise UserError(f"There is no law {given!r} of {name}: {hint}")
    return laws if law is None else [law]


def raise_all(sentences: Sequence[str]) -> None:
    """AssertionError with all sentences, a line each, if there are any."""
    if any(sentences):
        raise AssertionError("\n".join(filter(None, sentences)))
