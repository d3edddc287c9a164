"""The classification sets of torchvision, by name."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from fullrank.data.images import Dataset
from fullrank.data.options import DataOptions
from fullrank.data.sources.objects import as_dataset, from_object
from fullrank.errors import UserError, suggest


def by_torchvision(name: str, root: Path | None, options: DataOptions) -> Dataset:
    """A data set of torchvision that lies in `root`, downloaded there only where `options.download` says so."""
    import torchvision.datasets as known

    kind = getattr(known, name, None)
    if name not in known.__all__ or kind is None:
        hint = suggest(name, known.__all__, otherwise="see its list of data sets.")
        raise UserError(f"torchvision has no data set {name}: {hint}")
    if root is None:
        raise UserError(f"torchvision:{name} needs a folder to be read from or downloaded to: pass --data-root.")
    takes = inspect.signature(kind).parameters
    train = _make(kind, name, root, options, {"train": True} if "train" in takes else _split(takes, "train"))
    made = from_object(train, options)
    tests = (
        [{"train": False}] if "train" in takes else [{"split": "test"}, {"split": "val"}] if "split" in takes else []
    )
    for arguments in tests:
        try:
            test = from_object(_make(kind, name, root, options, arguments), options)
        except UserError:
            continue
        assert not isinstance(test.train, tuple)
        return as_dataset(name, made.train, test.train, (*made.notes, f"tested on {arguments}"))  # type: ignore[arg-type]
    return as_dataset(name, made.train, None, made.notes)  # type: ignore[arg-type]


def _split(takes: Any, name: str) -> dict[str, Any]:
    return {"split": name} if "split" in takes else {}


def _make(kind: Any, name: str, root: Path, options: DataOptions, arguments: dict[str, Any]) -> Any:
    if "download" in inspect.signature(kind).parameters:
        arguments = {**arguments, "download": options.download}
    try:
        return kind(root, **arguments)
    except (RuntimeError, OSError, ValueError) as error:
        said = " ".join(str(error).split())[:200]
        remedy = "check the network and the folder" if options.download else "pass --download, or another --data-root"
        raise UserError(f"torchvision:{name} cannot be read from {root} ({said}): {remedy}.") from error
