"""The presets of a recipe side by side, for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from fullrank.errors import as_flag, command
from fullrank.recipes._recipe import CHOSEN, Recipe
from fullrank.recipes._settings import settings
from fullrank.recipes.presets import Preset, presets
from fullrank.terminal import say


def show(name: str, recipe: type[Recipe], console: Console) -> None:
    """Print the presets of a recipe: values in a table, then reported results, sources and notes; nothing if none."""
    known = presets(name)
    if not known:
        return
    if not console.is_terminal:
        console.width = 1000  # in a file or a pipe no row is broken
    use = command("train", name, "--preset", "NAME")
    say(console, f"\nPresets: {use}; any flag beside it overrides it. Empty: as the default.\n")
    console.print(_table(recipe(), known))
    reported = {preset: one.reported for preset, one in known.items() if one.reported}
    for preset, text in reported.items():
        say(console, f"{preset} reported {text}.")
    say(console, "\nSources")
    _say_each(console, "", {preset: [one.source] for preset, one in known.items()})
    for field in _fields(known):
        sources = {preset: [one.settings[field].source] for preset, one in known.items() if field in one.settings}
        _say_each(console, f"{as_flag(field)}: ", sources)
    say(console, "\nNotes")
    _say_each(console, "", {preset: one.notes for preset, one in known.items()})


def _table(default: Recipe, known: dict[str, Preset]) -> Table:
    table, defaults = Table("flag", "default", *known, box=None, header_style="bold"), settings(default)
    for field in _fields(known):
        cells = [_text(one.settings[field].value) if field in one.settings else "" for one in known.values()]
        default_text = "chosen" if defaults[field] is None and field in CHOSEN else _text(defaults[field])
        table.add_row(as_flag(field), default_text, *cells)
    return table


def _fields(known: dict[str, Preset]) -> list[str]:
    """The settings of all presets, each once."""
    return list(dict.fromkeys(field for one in known.values() for field in one.settings))


def _text(value: Any) -> str:
    """A value as it is passed to its flag."""
    if isinstance(value, tuple):
        return " ".join(map(_text, value))
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value) or "(pass it)"


def _say_each(console: Console, head: str, texts: Mapping[str, Sequence[str]]) -> None:
    """A line for each text, with the presets that have it unless all do."""
    for text in dict.fromkeys(text for several in texts.values() for text in several):
        having = [preset for preset, several in texts.items() if text in several]
        say(console, f"  {head}{text}" + (f" ({', '.join(having)})" if len(having) < len(texts) else ""))
