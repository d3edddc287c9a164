"""Hugging Face `datasets`, from disk or by name, read by index."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch

from fullrank.data.images import Dataset
from fullrank.data.options import DataOptions
from fullrank.data.sources.objects import as_dataset, items, named, stacked
from fullrank.data.sources.splits import chosen_splits
from fullrank.errors import UserError

_SAVED = ("dataset_dict.json", "state.json")  # what save_to_disk writes beside the rows


def from_hub(name: str, options: DataOptions) -> Dataset:
    """A data set by name, a copy of its repository at a path, or what `save_to_disk` wrote there.

    `:CONFIG` behind a name or path chooses of several configurations. UserError with the flag that decides.
    """
    if importlib.util.find_spec("datasets") is None:
        raise UserError("hf: needs a package: pip install 'fullrank[datasets]'.")
    if not name:
        raise UserError("hf: names no data set: pass hf:NAME or hf:PATH.")
    import datasets

    try:
        found = _found(datasets, name, download=options.download)
    except Exception as error:  # network, files, names: anything
        said = " ".join(str(error).split())[:200]
        raise UserError(f"hf:{name} cannot be read ({said}): {_remedy(name, said, options)}.") from error
    parts = dict(found) if isinstance(found, Mapping) else {"train": found}
    train, test, notes = chosen_splits(f"hf:{name}", list(parts), options.split)
    column, label = _columns(name, parts[train].features, options.columns)
    if test is not None and column not in parts[test].features:
        raise UserError(f"hf:{name}: the split {test} has no column {column}: pass --split {train}.")
    made = [_items(parts[part], column, label, options) for part in (train, test) if part is not None]
    told = (*notes, f"images of {column}" + (f", labels of {label}" if label else ""), *made[0][1])
    return as_dataset(Path(name).name, made[0][0], made[1][0] if len(made) > 1 else None, told)


def place_and_config(name: str) -> tuple[str, str | None]:
    """A name or path, and which of its configurations was asked for.

    >>> place_and_config("org/birds:small"), place_and_config("org/birds")
    (('org/birds', 'small'), ('org/birds', None))
    """
    place, _, config = name.rpartition(":")
    return (name, None) if not place or Path(name).exists() else (place, config)


def _found(tools: Any, name: str, *, download: bool) -> Any:
    if Path(name).is_dir() and any((Path(name) / each).is_file() for each in _SAVED):
        return tools.load_from_disk(name)
    place, config = place_and_config(name)
    with nullcontext() if download else _offline(tools.config):
        return tools.load_dataset(place, config, download_config=tools.DownloadConfig(local_files_only=not download))


def _remedy(name: str, said: str, options: DataOptions) -> str:
    place = place_and_config(name)[0]
    if "Config name is missing" in said or "BuilderConfig" in said:  # the library lists them
        return f"pass hf:{place}:CONFIG"
    if Path(place).exists():
        return "pass a folder that save_to_disk wrote, or the files of a repository as they are on the hub"
    return "check the name and the network" if options.download else "pass --download, or hf:PATH of a copy"


@contextmanager
def _offline(config: Any) -> Iterator[None]:
    """Without one call of the network; by itself the library asks it several times even for local files only."""
    before, config.HF_HUB_OFFLINE = config.HF_HUB_OFFLINE, True
    try:
        yield
    finally:
        config.HF_HUB_OFFLINE = before


def _columns(name: str, features: Mapping[str, Any], asked: str | None) -> tuple[str, str | None]:
    """The columns of image and label; raises UserError where there are several of a kind, or none with images."""
    kinds = {column: type(feature).__name__ for column, feature in features.items()}
    if asked is not None:
        wanted = [column.strip() for column in asked.split(",")]
        if unknown := [column for column in wanted if column not in kinds]:
            raise UserError(f"--columns {asked}: hf:{name} has no {unknown[0]}, only {', '.join(kinds)}.")
        return wanted[0], wanted[1] if len(wanted) > 1 else None
    images = [column for column, kind in kinds.items() if kind == "Image"]
    labels = [column for column, kind in kinds.items() if kind == "ClassLabel"]
    if len(images) != 1 or len(labels) > 1:
        said = ", ".join(f"{column} ({kind})" for column, kind in kinds.items())
        raise UserError(f"hf:{name} has the columns {said}: pass --columns IMAGE or --columns IMAGE,LABEL.")
    return images[0], labels[0] if labels else None


def _items(part: Any, column: str, label: str | None, options: DataOptions) -> Any:
    labels: torch.Tensor | None = None
    classes: tuple[str, ...] = ()
    if label is not None and label in part.features and options.labels != "none":  # test images may have none
        names = getattr(part.features[label], "names", None)
        labels, classes = named(stacked(part[label][:], "The data set", options), names)
    only: Any = part.select_columns([column])
    return items(only, labels=labels, classes=classes, options=options, column=column)
