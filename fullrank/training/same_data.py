"""The data and settings of a training: loaded and said, and for a run that goes on those that it began with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from fullrank import recipes
from fullrank.data import Dataset, load_dataset
from fullrank.data.identity import (
    OBJECT,
    absolute,
    compared,
    kept_in_config,
    options_of,
    other_data,
    place_of,
    unknown_data,
)
from fullrank.data.missing import MISSING, Missing, restored
from fullrank.data.options import DataOptions
from fullrank.data.sources.objects import from_object, is_object, places_in
from fullrank.engine import RunOptions
from fullrank.engine.checkpoint import Begun
from fullrank.engine.device import precision_of
from fullrank.engine.launcher import launched, process_rank
from fullrank.errors import UserError, printable
from fullrank.methods import Method
from fullrank.nn.own_module import code_hash
from fullrank.recipes import Recipe
from fullrank.runs import read_as_run, read_config, read_json, write_json
from fullrank.runs.kind import require_made_by
from fullrank.runs.trusted import file_of_code, is_file_of_code, require_trust
from fullrank.terminal import say

_OF_DATA = {"data", "data_root"} | {field.name for field in fields(DataOptions)}  # which have a fingerprint


def places(recipe: Recipe) -> dict[str, Any]:
    """The settings that name a place, so that they mean the same from every working directory."""
    files = {"data_root": recipe.data_root, "classes": recipe.reading.classes}
    return {"data": absolute(recipe.data), **{name: path and path.absolute() for name, path in files.items()}}


def kept(run: Path, data: object, *, trust: bool = False) -> tuple[Recipe, RunOptions]:
    """The recipe and the options of a run, with its data where they are now: an object, places, or as it began.

    Files of code that the run names must be those that the user has run, unless `trust`.
    """
    require_made_by("train", run, read_json(run / "config.json"))
    config = read_config(run)
    if "run" not in config:
        raise UserError(f"{run / 'config.json'} has no options of the run: restore it or train again.")
    named = (config["recipe"], *(config["settings"].get(each, "") for each in ("backbone", "views")))
    for name in map(str, named):
        if is_file_of_code(name):
            require_trust(file_of_code(name), str(run), trust=trust)
    with read_as_run(run):
        recipe = recipes.from_settings(recipes.load(config["recipe"]), config["settings"])
        where = place(data) if is_object(data) else place_of(run, config, places_in(data))
        now = tuple(where) if isinstance(where, list) else where
        options: RunOptions = recipes.from_settings(RunOptions, config["run"])
        if launched() is not None:  # it decides how many processes go on
            options = replace(options, devices=None, nodes=1)
        return replace(recipe, data=now, reading=options_of(config)), replace(options, out=run)


def keep_same_data(run: Path, data: str | Sequence[str], dataset: Dataset, console: Console, *, any_data: bool) -> None:
    """Raise a UserError unless the data are those of the run, or any will do; the run keeps what it goes on with."""
    if process_rank() != 0:
        return
    config = read_config(run)
    same = compared(config, dataset)
    if same == "other" and not any_data:
        raise other_data(run, config, dataset, "pass --data with their place, or --any-data to go on with these")
    if same == "unknown":
        say(console, unknown_data(run, config))
    now = absolute(data)
    if config["settings"]["data"] != now or same == "other":
        config["settings"]["data"] = now
        kept = kept_in_config(dataset)
        if same == "other":
            _note(config, "data", {"fingerprint": [config["data"]["fingerprint"], kept["fingerprint"]]})
        write_json(run / "config.json", config | {"data": kept})


def learned(name: str, recipe: Recipe, options: RunOptions) -> dict[str, Any]:
    """What decides what is learned from the data, as JSON has it; a checkpoint keeps it.

    That is the settings of the recipe of this name, the precision that this machine trains in, and hashes of files of
    code.
    """
    own = {each: value for each, value in recipes.settings(recipe).items() if each not in _OF_DATA}
    chosen = own | {"accumulate": options.accumulate, "precision": precision_of(options.precision)}
    for what, code in (("recipe", name), ("backbone", recipe.backbone), ("views", recipe.views)):
        if is_file_of_code(code) and file_of_code(code).is_file():
            chosen[f"code of {what}"] = code_hash(code)[:12]
    made: dict[str, Any] = json.loads(json.dumps(chosen, default=str))
    return made


def keep_same_settings(
    run: Path, begun: Begun, now: Mapping[str, Any], console: Console, *, any_settings: bool
) -> bool:
    """Whether what is `learned` is other than in the last checkpoint; raises UserError if so, unless `any_settings`.

    What changes is said, and kept in config.json under `changed`.
    """
    then = begun.learned
    if process_rank() == 0 and (not begun.sealed or then is None):
        say(
            console,
            f"The last checkpoint of {run} has no checksum and names no settings, as those of version 0.1.0: that it "
            "is whole, and config.json as it was, is not checked.",
        )
    asked = ("precision", "auto")  # a former version kept what was asked for, and a later one knows more
    shared = [name for name, value in (then or {}).items() if name in now and (name, value) != asked]
    other = {name: [then[name], now[name]] for name in shared if then is not None and then[name] != now[name]}
    if not other:
        return False
    said = ", ".join(f"{name} {was} then, {is_now} now" for name, (was, is_now) in sorted(other.items()))
    if not any_settings:
        raise UserError(
            f"{run} was trained with other settings, code or precision than it has now ({said}): put them back, or "
            "pass --any-settings to go on with those of now."
        )
    if process_rank() == 0:
        say(console, f"{run} goes on with other settings: {said}.")
        config = read_config(run)
        _note(config, "settings", other)
        write_json(run / "config.json", config)
    return True


def say_processes(run: Path, begun: Begun, processes: int, method: Method, console: Console) -> None:
    """Say what is exact and what is not where a run goes on with another number of processes; config.json keeps it."""
    if process_rank() != 0 or begun.processes is None or begun.processes == processes:
        return
    kinds = {type(part).__name__ for part in method.modules()}
    differs = ["sums in float32 (in their last bits)"]
    if not torch.cuda.is_available() and any("BatchNorm" in kind for kind in kinds):
        differs.append("batch norm (which on a CPU sees the share of a process)")
    if any("Drop" in kind for kind in kinds):
        differs.append("dropout (which each process draws for itself)")
    said = f"{run} goes on with {_counted(processes)}, after {_counted(begun.processes)}: images, order, augmentation, "
    say(console, f"{said}batch size and objective stay exactly the same, but not {', '.join(differs)}.")
    config = read_config(run)
    _note(config, "processes", {"processes": [begun.processes, processes]})
    write_json(run / "config.json", config)


def _counted(processes: int) -> str:
    return f"{processes} process{'' if processes == 1 else 'es'}"


def _note(config: dict[str, Any], what: str, values: Mapping[str, Any]) -> None:
    """Have config.json say that a run went on with something else: [then, now] by name."""
    config["changed"] = [*config.get("changed", []), {what: dict(values)}]


def load_images(recipe: Recipe, console: Console, data: object) -> Dataset:
    """The images of a recipe, or of an object in their place; the first process says what was understood."""
    if data is not None:
        dataset = from_object(data, recipe.reading)
    else:
        dataset = load_dataset(
            recipe.data,
            root=recipe.data_root,
            options=recipe.reading,
            say=partial(say, console),
        )
    if process_rank() == 0:
        _say_understood(dataset, console)
    return dataset


def with_missing(dataset: Dataset, run: Path, data: str | Sequence[str], console: Console) -> Dataset:
    """The images of a run that goes on, with those in whose place others came before; they are said."""
    record = run / MISSING
    whole = restored(dataset.train, record, _root(data))
    if (count := len(whole) - len(dataset.train)) and process_rank() == 0:
        say(console, f"Missing as before: {count:,} of {len(whole):,} images ({record}). Others take their place.")
    return replace(dataset, train=whole)


def missing_of(run: Path, recipe: Recipe, dataset: Dataset, console: Console) -> Missing:
    """What notes the images of a run that cannot be read any more."""
    most = recipe.reading.most_corrupt
    return Missing(dataset.train, _root(recipe.data), most, run / MISSING, partial(say, console))


def _root(data: str | Sequence[str]) -> Path | None:
    """The folder of the images, where it is one."""
    return Path(data) if isinstance(data, str) and Path(data).is_dir() else None


def _say_understood(dataset: Dataset, console: Console) -> None:
    say(console, printable(dataset.inventory().line()))
    skipped = dataset.train.skipped + (dataset.test.skipped if dataset.test is not None else ())
    if skipped:
        say(console, f"Skipped {len(skipped)} unreadable images:")
    for path, reason in skipped[:10]:
        say(console, f"  {printable(path)}: {printable(reason)}")
    if len(skipped) > 10:
        say(console, f"  and {len(skipped) - 10} more")


def place(data: object) -> str | tuple[str, ...] | None:
    """What config.json says of data: their place, or that they were an object."""
    if is_object(data):
        return f"{OBJECT}{type(data).__module__}.{type(data).__qualname__}"
    places = places_in(data)
    return None if not places else places[0] if len(places) == 1 else tuple(places)
