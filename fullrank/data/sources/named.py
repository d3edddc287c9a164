"""The classification sets of torchvision, by name."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fullrank.data.images import Dataset
from fullrank.data.options import DataOptions
from fullrank.data.sources.objects import as_dataset, from_object
from fullrank.errors import UserError, suggest

# What the data sets of torchvision call the images to train on and to test on, in the order in which it is tried.
_TRAIN: tuple[dict[str, Any], ...] = (
    {"train": True},
    {"split": "train"},
    {"split": "trainval"},
    {"split": "train-standard"},
    {},
)
_TEST = ({"train": False}, {"split": "test"}, {"split": "val"}, {"split": "valid"})


def by_torchvision(name: str, root: Path | None, options: DataOptions) -> Dataset:
    """A data set of torchvision that lies in `root`, downloaded there only where `options.download` says so."""
    import torchvision.datasets as known

    kind = getattr(known, name, None)
    if name not in known.__all__ or kind is None:
        hint = suggest(name, known.__all__, otherwise="see its list of data sets.")
        raise UserError(f"torchvision has no data set {name}: {hint}")
    if root is None:
        raise UserError(f"torchvision:{name} needs a folder to be read from or downloaded to: pass --data-root.")
    train = _part(kind, name, root, options, _TRAIN)
    if train is None:
        raise UserError(
            f"torchvision:{name} needs more than a folder and a split: make it in Python, and pass it as data."
        )
    made, notes = from_object(train[0], options), [f"trained on {_said(train[1])}"] if train[1] else []
    try:
        test = _part(kind, name, root, options, _TEST)
    except UserError as error:
        test = None
        notes.append(f"without its test set ({error})")
    if test is None:
        return as_dataset(name, made.train, None, (*made.notes, *notes))  # type: ignore[arg-type]
    held = from_object(test[0], options)
    return as_dataset(name, made.train, held.train, (*made.notes, *notes, f"tested on {_said(test[1])}"))  # type: ignore[arg-type]


def _part(
    kind: Any, name: str, root: Path, options: DataOptions, ways: Sequence[dict[str, Any]]
) -> tuple[Any, dict[str, Any]] | None:
    """The first part that the data set has by one of these arguments, None where it takes none of them."""
    takes = inspect.signature(kind).parameters
    for arguments in ways:
        if not arguments.keys() <= takes.keys() or (not arguments and {"train", "split"} & takes.keys()):
            continue
        try:
            return _make(kind, name, root, options, arguments), arguments
        except (TypeError, ValueError):  # it needs more, or has no split of this name
            continue
    return None


def _said(arguments: dict[str, Any]) -> str:
    return ", ".join(f"{argument}={value}" for argument, value in arguments.items())


def _make(kind: Any, name: str, root: Path, options: DataOptions, arguments: dict[str, Any]) -> Any:
    if "download" in inspect.signature(kind).parameters:
        arguments = {**arguments, "download": options.download}
    try:
        return kind(root, **arguments)
    except (RuntimeError, OSError) as error:
        said = " ".join(str(error).split())[:200]
        remedy = "check the network and the folder" if options.download else "pass --download, or another --data-root"
        raise UserError(f"torchvision:{name} cannot be read from {root} ({said}): {remedy}.") from error
