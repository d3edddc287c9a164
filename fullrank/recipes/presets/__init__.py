"""Published settings by name: what a paper or its code used, each value with its source; one TOML file a recipe.

A preset has a `source`, what the authors `reported`, `notes` on what no flag can express, and `settings`: flag to
[value, source]. `like` names the preset, of this file or as FILE/PRESET, whose source, notes and settings it begins
with. An empty `data` must be given by the user; its source says which images.
"""

from __future__ import annotations

import tomllib
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from fullrank.engine.options import RunOptions
from fullrank.errors import UserError, command, printable, suggest
from fullrank.recipes._recipe import Recipe
from fullrank.recipes._settings import from_settings, settings, with_settings
from fullrank.runs import read_config
from fullrank.runs.reading import record_of
from fullrank.runs.trusted import file_of_code, is_file_of_code, require_trust

_WHERE = ("out", "devices", "nodes", "strategy", "workers")  # a run took place: no settings for another one


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One value and where it comes from."""

    value: Any
    source: str


@dataclass(frozen=True, kw_only=True)
class Preset:
    """The settings of one published training."""

    source: str
    reported: str | None
    notes: tuple[str, ...]
    settings: dict[str, Setting]


def sourced(settings: Mapping[str, Sequence[Any]]) -> dict[str, Setting]:
    """Settings from the [value, source] of a TOML file.

    >>> sourced({"lr": [0.3, "code"]})
    {'lr': Setting(value=0.3, source='code')}
    """
    return {
        name: Setting(value=tuple(value) if isinstance(value, list) else value, source=source)
        for name, (value, source) in settings.items()
    }


def presets(recipe: str) -> dict[str, Preset]:
    """The presets of a recipe by name; none for a recipe without, or of your own.

    >>> presets("intl")["cifar10"].settings["lr"]
    Setting(value=0.3, source='code: 0.3 x 256/256')
    """
    path = _path(recipe)
    return {name: _preset(recipe, name) for name in _tables(path)} if path.is_file() else {}


def begin(name: str, recipe: type[Recipe], arguments: Sequence[str]) -> tuple[str | None, Recipe, list[str]]:
    """What `--preset` among the arguments asks for: its name, the recipe to start from, and the other arguments.

    >>> from fullrank import recipes
    >>> preset, recipe, flags = begin("intl", recipes.load("intl"), ["--preset", "cifar10", "--lr", "1"])
    >>> preset, recipe.epochs, flags
    ('cifar10', 1000.0, ['--lr', '1'])
    >>> begin("intl", recipes.load("intl"), ["--preset", "cifar11"])
    Traceback (most recent call last):
    fullrank.errors.UserError: intl has no preset 'cifar11': did you mean cifar10? Its presets are ...
    """
    preset, flags = _taken("preset", arguments)
    if preset is None:
        return None, recipe(), flags
    known = presets(name)
    if preset not in known:
        hint = suggest(preset, known, otherwise="")
        rest = f"Its presets are {', '.join(known)}." if known else "It has none, leave out --preset."
        raise UserError(f"{name} has no preset {preset!r}: {' '.join(part for part in (hint, rest) if part)}")
    settings = known[preset].settings
    values = {field: setting.value for field, setting in settings.items()}
    return preset, with_settings(recipe(), values), flags


def like(
    name: str, recipe: type[Recipe], arguments: Sequence[str]
) -> tuple[str | None, tuple[Recipe, RunOptions] | None, list[str]]:
    """What `--like RUN` among the arguments asks for: the run, its settings in this recipe, and the other arguments.

    The options of the run are among the settings, but for those that say where it took place. Settings that this recipe
    does not have are printed and left out.

    >>> from fullrank import recipes
    >>> like("intl", recipes.load("intl"), ["--lr", "1"])
    (None, None, ['--lr', '1'])
    """
    run, flags = _taken("like", arguments)
    if run is None:
        return None, None, flags
    if not run:
        raise UserError("--like needs a run: pass its folder.")
    if _taken("preset", flags)[0] is not None:
        raise UserError("--like and --preset both say where to begin: pass one of them.")
    config = read_config(Path(run))
    known = settings(recipe())
    if left := [field for field in config["settings"] if field not in known]:
        print(printable(f"These settings are left out, as {name} does not have them: {', '.join(left)}."))
    shared = {field: value for field, value in config["settings"].items() if field in known}
    for field in ("backbone", "views"):
        if is_file_of_code(str(shared.get(field, ""))) and _taken(field, flags)[0] is None:
            require_trust(file_of_code(shared[field]), f"{run} (name it as --{field} yourself, or)", trust=False)
    options = {option: value for option, value in config.get("run", {}).items() if option not in _WHERE}
    return run, (from_settings(recipe, shared), record_of(RunOptions, options)), flags


def _taken(flag: str, arguments: Sequence[str]) -> tuple[str | None, list[str]]:
    """The value of a flag among the arguments, as `--flag VALUE` or `--flag=VALUE`, and the others; None without it."""
    parser = ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument(f"--{flag}", dest="value", nargs="?", const="")
    found, others = parser.parse_known_args(arguments)
    return found.value, others


def describe(name: str) -> str:
    """The help of `--preset`.

    >>> describe("directclr")
    'Start from published settings: imagenet, ... `fullrank recipes directclr` shows them with their sources.'
    """
    known = ", ".join(presets(name))
    if not known:
        return "Start from published settings; this recipe has none."
    return f"Start from published settings: {known}. `{command('recipes', name)}` shows them with their sources."


def require_data(name: str, preset: str | None, recipe: Recipe) -> None:
    """Raise a UserError if the preset needs images that only the user has, and they were not given."""
    if preset is not None and not recipe.data:
        images = presets(name)[preset].settings["data"].source
        raise UserError(f"--preset {preset} needs images: pass --data with the folder of {images}.")


def left_out(name: str, preset: str | None) -> list[str]:
    """The sentences on a preset that its training begins with: whose settings, and its notes.

    >>> left_out("directclr", None)
    []
    >>> print(left_out("directclr", "imagenet")[0])
    Preset imagenet: the paper, and the authors' code (facebookresearch/directclr, commit a86f64c). Notes:
    """
    if preset is None:
        return []
    one = presets(name)[preset]
    return [f"Preset {preset}: {one.source}. Notes:", *(f"- {note}" for note in one.notes)]


def _path(file: str) -> Path:
    return Path(__file__).parent / f"{file}.toml"


@cache
def _tables(path: Path) -> dict[str, dict[str, Any]]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _preset(file: str, name: str) -> Preset:
    table = _tables(_path(file))[name]
    own = sourced(table["settings"])
    reported, notes = table.get("reported"), tuple(table.get("notes", ()))
    if "like" not in table:
        return Preset(source=table["source"], reported=reported, notes=notes, settings=own)
    other, _, like = table["like"].rpartition("/")
    base = _preset(other or file, like)
    return Preset(
        source=table.get("source", base.source),
        reported=reported,
        notes=(*base.notes, *notes),
        settings=base.settings | own,
    )
