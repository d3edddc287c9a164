"""A recipe's settings by the names of their flags: records of a recipe are flat there, and so in config.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass, replace
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from fullrank.errors import UserError
from fullrank.recipes._recipe import Recipe

R = TypeVar("R", bound=Recipe)


def settings(recipe: Recipe) -> dict[str, Any]:
    """The settings of a recipe, flat.

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

    >>> with_settings(Recipe(), {"lr": 0.1, "w2": 0.5}).w2
    W2(w2=0.5, w2_end=None)
    """
    return replace(recipe, **_nested(changes, recipe.records()))


def from_settings(recipe: type[Any], settings: Mapping[str, Any]) -> Any:
    """A recipe or options object from the JSON in a run's config.json."""
    records = {field.name: field.default for field in fields(recipe) if is_dataclass(field.default)}
    hints = {name: hint for name, hint in get_type_hints(recipe).items() if name not in records}
    for record in records.values():
        hints |= {field.name: get_type_hints(type(record))[field.name] for field in fields(record)}
    unknown = sorted(set(settings) - set(hints))
    if unknown:
        raise UserError(
            f"config.json has settings that this version does not know ({', '.join(unknown)}): train again."
        )
    return recipe(**_nested({name: _value(name, hints[name], value) for name, value in settings.items()}, records))


def _nested(flat: Mapping[str, Any], records: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a recipe for some flat settings, those of its records put into them."""
    nested = dict(flat)
    for name, record in records.items():
        own = {field.name: nested.pop(field.name) for field in fields(record) if field.name in nested}
        if own:
            nested[name] = replace(record, **own)
    return nested


def _value(name: str, hint: Any, value: Any) -> Any:
    """A value of config.json as the field has it; UserError if it is of another kind."""
    read = tuple(value) if isinstance(value, list) else value
    if isinstance(value, str) and "Path" in str(hint):
        read = Path(value)
    if not _is(read, hint):
        raise UserError(f"config.json says {name} is {str(value)[:80]!r}, which it cannot be: restore it.")
    return read


def _is(value: Any, hint: Any) -> bool:
    """Whether a value is of the kind that a field is declared to be."""
    kind, parts = get_origin(hint), get_args(hint)
    if kind is Literal:
        return value in parts
    if kind in (Union, UnionType):
        return any(_is(value, part) for part in parts)
    if kind is tuple:
        return isinstance(value, tuple) and all(_is(each, parts[0]) for each in value)
    if hint is float:
        return type(value) in (int, float)
    return type(value) is hint if hint in (int, bool, str, NoneType) else True
