"""`fullrank.resume`: what `fullrank train --resume` does, from Python."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from rich.console import Console

from fullrank import recipes
from fullrank.data.identity import OBJECT, options_of, place_of
from fullrank.data.sources.objects import is_place
from fullrank.engine import RunOptions
from fullrank.engine.gather import process_rank
from fullrank.report import write_report
from fullrank.runs import read_json
from fullrank.runs.run import Run, read_run
from fullrank.training.fit import resume as go_on


def resume(run: str | Path | Run, *, data: object = None, any_data: bool = False, quiet: bool = True) -> Run:
    """Go on with a run exactly where its last checkpoint was, as `fullrank train --resume` does, and return it.

    Args:
        run: a run, or its folder.
        data: the data of the run, where they have moved or were an object.
        any_data: go on also where these are other images than the run began with.
        quiet: without progress in the terminal.

    Returns:
        The finished run, or an unfinished one if it was asked to stop.

    Raises:
        UserError: if the run is finished or has no checkpoint, or for other data.

    >>> resume("no/such/run")
    Traceback (most recent call last):
    fullrank.errors.UserError: no/such/run is not a run folder (config.json is missing): pass one that train made.
    """
    folder = run.path if isinstance(run, Run) else Path(run)
    config = read_json(folder / "config.json")
    recipe = recipes.from_settings(recipes.load(config["recipe"]), config["settings"])
    options = recipes.from_settings(RunOptions, config["run"])
    known = is_object(data)
    where = place(data) if known else place_of(folder, config, _places(data))
    recipe = dataclasses.replace(
        recipe, data=tuple(where) if isinstance(where, list) else where, reading=options_of(config)
    )
    console = Console(quiet=quiet)
    finished = go_on(folder, recipe, options, console, any_data=any_data, data=data if known else None)
    if finished and process_rank() == 0:
        write_report([folder], folder / "report.html")
    return read_run(folder)


def is_object(data: object) -> bool:
    """Whether data are an object with images, and not their place."""
    return data is not None and not is_place(data)


def _places(data: Any) -> list[str]:
    """The names and paths of data, none for None."""
    return [] if data is None else [str(data)] if isinstance(data, str | Path) else [str(each) for each in data]


def place(data: object) -> str | tuple[str, ...] | None:
    """What config.json says of data: their place, or that they were an object."""
    if is_object(data):
        return f"{OBJECT}{type(data).__module__}.{type(data).__qualname__}"
    places = _places(data)
    return None if not places else places[0] if len(places) == 1 else tuple(places)
