"""Published detection settings by name: values with their sources, as those of the recipes are kept."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

from fullrank.detection.options import DetectorSettings
from fullrank.errors import UserError, as_given, suggest
from fullrank.recipes.presets import Preset, sourced


def presets() -> dict[str, Preset]:
    """The presets by name.

    >>> presets()["coco-c4-2x"].settings["steps"]
    Setting(value=180000, source="MoCo's code: MAX_ITER 180000")
    """
    return {path.stem: _read(path) for path in sorted(Path(__file__).parent.glob("*.toml"))}


def begin(name: str | None) -> tuple[Preset | None, DetectorSettings]:
    """The preset of this name with its settings; the defaults where there is no name.

    >>> begin("coco-c4-2")
    Traceback (most recent call last):
    fullrank.errors.UserError: There is no preset 'coco-c4-2': did you mean coco-c4-2x? There are coco-c4-2x, ...
    """
    if name is None:
        return None, DetectorSettings()
    known = presets()
    if name not in known:
        near = suggest(name, known, otherwise="check its spelling.")
        raise UserError(f"There is no preset {name!r}: {near} There are {', '.join(known)}.")
    values = {flag: setting.value for flag, setting in known[name].settings.items()}
    return known[name], DetectorSettings(**values)


def described() -> Iterator[str]:
    """Lines that show every preset: flags with their values and sources, and the notes."""
    for name, preset in presets().items():
        yield f"{name}: {preset.source}"
        if preset.reported:
            yield f"  reported {preset.reported}"
        for flag, setting in preset.settings.items():
            yield f"  {as_given(flag, setting.value)}  ({setting.source})"
        yield from (f"  {note}" for note in preset.notes)


def _read(path: Path) -> Preset:
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    return Preset(
        source=table["source"],
        reported=table.get("reported"),
        notes=tuple(table.get("notes", ())),
        settings=sourced(table["settings"]),
    )
