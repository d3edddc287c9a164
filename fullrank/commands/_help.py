"""What --help says of a setting that is not given: what is used instead, in the words of its docstring, never None."""

from __future__ import annotations

import re
from dataclasses import is_dataclass, replace
from typing import Annotated, Any

import tyro
from tyro.conf import arg
from tyro.constructors import (
    ConstructorRegistry,
    PrimitiveConstructorSpec,
    PrimitiveTypeInfo,
    StructConstructorSpec,
    StructFieldSpec,
    StructTypeInfo,
)

_CLAUSE = re.compile(r"(?:[;,] by default|(?<=[.;]) By default) (.+?)(?=(?<!\.\.)\.(?:\s|$)|;|$)")


def plain_help() -> ConstructorRegistry:
    """Rules by which tyro says of each setting what is used where it is not given."""
    registry = ConstructorRegistry()
    within: list[type] = []

    @registry.struct_rule
    def records(info: StructTypeInfo) -> StructConstructorSpec | None:
        if not is_dataclass(info.type) or info.type in within:
            return None
        within.append(info.type)
        try:
            record = ConstructorRegistry.get_struct_spec(info)
        finally:
            within.pop()
        if not isinstance(record, StructConstructorSpec):
            return None
        return replace(record, fields=tuple(_plain(field) for field in record.fields))

    return registry


def _plain(field: StructFieldSpec) -> StructFieldSpec:
    """Say the default of a field in words where it has no value to show."""
    kind: Any = field.type
    settings = [each for each in getattr(kind, "__metadata__", ()) if hasattr(each, "help_behavior_hint")]
    said = next((each.help for each in settings if each.help), field.helptext)
    text = (said() if callable(said) else said) or ""
    if is_dataclass(field.default) or not text:
        return field
    text, used = default_in_words(" ".join(text.split()))
    named = next((each.metavar for each in settings if each.metavar), None) or _metavar(kind)
    if field.default in (tyro.MISSING, tyro.MISSING_NONPROP):
        used = "(required)"
    elif field.default not in (None, (), ""):  # a value says it better than words
        return _annotated(field, arg(help=text, metavar=named))
    return _annotated(field, arg(help=text, help_behavior_hint=used, metavar=named))


def _annotated(field: StructFieldSpec, settings: Any) -> StructFieldSpec:
    kind: Any = Annotated[field.type, settings]
    return replace(field, type=kind)


def default_in_words(text: str) -> tuple[str, str]:
    """A docstring without what it says about its default, and that in brackets.

    >>> default_in_words("Passes over the data; by default chosen from the number of images.")
    ('Passes over the data.', '(default: chosen from the number of images)')
    >>> default_in_words("Folder of the named data set.")
    ('Folder of the named data set.', '(optional)')
    """
    if (found := _CLAUSE.search(text)) is None:
        return text, "(optional)"
    rest = text[: found.start()] + text[found.end() :]
    return re.sub(r"(?<!\.)([.;])\s*\.$", r"\1", rest), f"(default: {found[1]})"


def _metavar(kind: Any) -> str | None:
    """How a value is written where None is a value too: INT, not {None}|INT."""
    spec = ConstructorRegistry.get_primitive_spec(PrimitiveTypeInfo.make(kind, set()))
    if not isinstance(spec, PrimitiveConstructorSpec) or "{None" not in spec.metavar:
        return None
    return re.sub(r"\{None\}\||(?<=\{)None,", "", spec.metavar).removeprefix("{[").removesuffix("]}")
