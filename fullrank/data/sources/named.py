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

    names = [each for each in known.__all__ if each != "VisionDataset"]  # the class that they are made from
    kind = getattr(known, name, None)
    if name not in names or kind is None:
        hint = suggest(name, names, otherwise="see its list of data sets.")
        raise UserError(f"torchvision has no data set {name}: {hint}")
    if root is None:
        raise UserError(f"torchvision:{name} needs a folder to be read from or downloaded to: pass --data-root.")
    train, refused = _part(kind, name, root, options, _TRAIN)
    if train is None:
        raise UserError(
            f"torchvision:{name} cannot be made of a folder and a split{refused}: make it in Python, and pass it as "
            "data."
        )
    made, notes = from_object(train[0], options), [f"trained on {_said(train[1])}"] if train[1] else []
    try:
        test, _ = _part(kind, name, root, options, _TEST)
    except UserError as error:
        test = None
        notes.append(f"without its test set ({error})")
    if test is None:
        return as_dataset(name, made.train, None, (*made.notes, *notes))  # type: ignore[arg-type]
    held = from_object(test[0], options)
    return as_dataset(name, made.train, held.train, (*made.notes, *notes, f"tested on {_said(test[1])}"))  # type: ignore[arg-type]


def _part(
    kind: Any, name: str, root: Path, options: DataOptions, ways: Sequence[dict[str, Any]]
) -> tuple[tuple[Any, dict[str, Any]] | None, str]:
    """The first part that the data set has by one of these arguments, None where it takes none of them, and why."""
    takes, refused = [*inspect.signature(kind).parameters], ""
    if takes[:1] != ["root"]:
        return None, refused
    for arguments in ways:
        if not arguments.keys() <= {*takes} or (not arguments and {"train", "split"} & {*takes}):
            continue
        try:
            return (_make(kind, name, root, options, arguments), arguments), ""
        except (TypeError, ValueError) as error:  # it needs more, or has no split of this name
            refused = f" ({' '.join(str(error).split())[:200]})"
    return None, refused


def _said(arguments: dict[str, Any]) -> str:
    return ", ".join(f"{argument}={value}" for argument, value in arguments.items())


def _make(kind: Any, name: str, root: Path, options: DataOptions, arguments: dict[str, Any]) -> Any:
    downloads = "download" in inspect.signature(kind).parameters
    try:
        return kind(root, **arguments, **({"download": options.download} if downloads else {}))
    except ImportError as error:
        raise UserError(f"torchvision:{name} needs a package ({error}): install it with pip.") from error
    except (RuntimeError, OSError) as error:
        said = " ".join(str(error).split())[:200]
        remedy = (
            "put its files there" if not downloads else "check the network" if options.download else "pass --download"
        )
        raise UserError(
            f"torchvision:{name} cannot be read from {root} ({said}): {remedy}, or pass another --data-root."
        ) from error
