"""A recipe's settings by the names of their flags: records of a recipe are flat there, and so in config.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

from fullrank.errors import UserError
from fullrank.recipes._recipe import Recipe
from fullrank.runs.reading import value_of

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

R = TypeVar("R", bound=Recipe)
D = TypeVar("D", bound="DataclassInstance")


def settings(recipe: Recipe) -> dict[str, Any]:
    """The settings of a recipe, flat.

    Args:
        recipe: A recipe with its groups of flags.

    >>> from fullrank.regularizers.w2 import W2
    >>> flat = settings(Recipe(w2=W2(0.5)))
    >>> flat["w2"], flat["w2_end"], flat["seed"]
    (0.5, None, 0)
    """
    flat: dict[str, Any] = {}
    for name, value in asdict(recipe).items():
        flat |= value if name in recipe.records() else {name: value}
    return flat


def with_settings(recipe: R, changes: Mapping[str, Any]) -> R:
    """A copy of a recipe with some settings changed, by the names of their flags.

    Args:
        recipe: The recipe, which stays as it is.
        changes: New values by the names of flags, with underscores.

    >>> with_settings(Recipe(), {"lr": 0.1, "w2": 0.5}).w2
    W2(w2=0.5, w2_end=None)
    """
    return replace(recipe, **_nested(changes, recipe.records()))


def from_settings(recipe: type[Any], settings: Mapping[str, Any]) -> Any:
    """A recipe or options object from the JSON in a run's config.json.

    Args:
        recipe: The class, as `load` gives it.
        settings: The flat settings of the run; what an older run lacks has its default.
    """
    records = {field.name: field.default for field in fields(recipe) if is_dataclass(field.default)}
    hints = _hints(recipe, records)
    unknown = sorted(set(settings) - set(hints))
    if unknown:
        raise UserError(
            f"config.json has settings that this version does not know ({', '.join(unknown)}): train again."
        )
    return recipe(**_nested({name: value_of(name, hints[name], value) for name, value in settings.items()}, records))


def as_declared(made: D) -> D:
    """A recipe or options object from Python with each setting as its field is declared, such as a list as a tuple.

    Args:
        made: The object, which stays as it is.

    Raises:
        UserError: A setting is of another kind, or none of the choices; the sentence names it.

    >>> as_declared(Recipe(projector=[64, 32])).projector
    (64, 32)
    >>> as_declared(Recipe(optimizer="adam"))
    Traceback (most recent call last):
    fullrank.errors.UserError: optimizer='adam' is not what it can be: did you mean adamw?
    """
    values = {field.name: getattr(made, field.name) for field in fields(made)}
    records = {name: value for name, value in values.items() if is_dataclass(value)}
    flat = {name: value for name, value in values.items() if name not in records}
    for record in records.values():
        flat |= {field.name: getattr(record, field.name) for field in fields(record)}
    hints = _hints(type(made), records)
    read = {name: value_of(name, hints[name], value, argument=True) for name, value in flat.items()}
    return replace(made, **_nested(read, records))


def _hints(kind: type[Any], records: Mapping[str, Any]) -> dict[str, Any]:
    """How each setting is declared, by its name, with those of the records in the place of these."""
    hints = {name: hint for name, hint in get_type_hints(kind).items() if name not in records}
    for record in records.values():
        hints |= {field.name: get_type_hints(type(record))[field.name] for field in fields(record)}
    return hints


def _nested(flat: Mapping[str, Any], records: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a recipe for some flat settings, those of its records put into them."""
    nested = dict(flat)
    for name, record in records.items():
        own = {field.name: nested.pop(field.name) for field in fields(record) if field.name in nested}
        if own:
            nested[name] = replace(record, **own)
    return nested
