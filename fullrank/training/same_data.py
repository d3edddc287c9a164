"""A run goes on with the data that it began with, wherever they lie today."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from fullrank.data import Dataset
from fullrank.data.identity import absolute, compared, kept_in_config, other_data, unknown_data
from fullrank.engine.gather import process_rank
from fullrank.recipes import Recipe
from fullrank.runs import read_json, write_json


def places(recipe: Recipe) -> dict[str, Any]:
    """The settings that name a place, so that they mean the same from every working directory."""
    files = {"data_root": recipe.data_root, "classes": recipe.reading.classes}
    return {"data": absolute(recipe.data), **{name: path and path.absolute() for name, path in files.items()}}


def keep_same_data(run: Path, data: str | Sequence[str], dataset: Dataset, console: Console, *, any_data: bool) -> None:
    """UserError unless the data are those of the run, or any will do; the run keeps what it goes on with."""
    if process_rank() != 0:
        return
    config = read_json(run / "config.json")
    same = compared(config, dataset)
    if same == "other" and not any_data:
        raise other_data(run, config, dataset, "pass --data with their place, or --any-data to go on with these")
    if same == "unknown":
        console.print(unknown_data(run, config), highlight=False, soft_wrap=True, markup=False)
    now = absolute(data)
    if config["settings"]["data"] != now or same == "other":
        config["settings"]["data"] = now
        write_json(run / "config.json", config | {"data": kept_in_config(dataset)})
