"""Which flags of `DataOptions` act on which data: one that cannot act on what was named is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fullrank.data.files.lists import ENDINGS
from fullrank.data.options import DataOptions
from fullrank.data.sources.load import NAMES
from fullrank.data.sources.objects import is_array, is_object, places_in
from fullrank.errors import UserError

_FILES = ("folder", "list")
_ITEMS = ("hf", "torchvision", "items")  # read by index
_READ = (*_FILES, "image", "npz", *_ITEMS, "array")  # by decoding, or of numbers
_ACTS = {  # flag, or flag and value -> the kinds of data on which it acts
    "max_corrupt": (*_FILES, *_ITEMS),
    "split": (*_FILES, "npz", "hf"),
    "labels": (*_FILES, "npz", *_ITEMS, "array"),
    "labels folders": _FILES,
    "classes": ("digits", "built-in", *_FILES, "npz", "hf", "torchvision"),
    "channels": _READ,
    "range": _READ,
    "pages": (*_FILES, "image"),
    "max_pixels": (*_FILES, "image", *_ITEMS),
    "columns": ("hf",),
    "download": ("built-in", "hf", "torchvision"),
    "data_root": ("built-in", "torchvision"),
}
_WORDS = {
    "folder": "folders of images",
    "list": "lists of images",
    "npz": ".npz files",
    "hf": "hf:NAME",
    "torchvision": "torchvision:NAME",
    "digits": "digits",
    "built-in": " and ".join(name for name in NAMES if name != "digits"),
}


def refuse_idle_reading(
    data: object,
    options: DataOptions,
    *,
    root: Path | None = None,
    begun: DataOptions | None = None,
    begun_root: Path | None = None,
    named: Callable[[str], str] | None = None,
) -> None:
    """Raise a UserError for the first option that was changed from `begun`, and that acts on none of the data.

    Args:
        data: Names and paths, or an object with images.
        options: How the data are read.
        root: The folder of named data sets.
        begun: What the options were before the user changed some; by default the defaults.
        begun_root: The same of `root`.
        named: How the user wrote an option; by default as the flag of the options.

    >>> refuse_idle_reading("digits", DataOptions(columns="image"))
    Traceback (most recent call last):
    fullrank.errors.UserError: --columns does not act on digits, only on hf:NAME: leave it out.
    """
    kinds = _kinds(data)
    if not kinds:  # what is not there is another error
        return
    default, begun = DataOptions(), begun or DataOptions()
    changed = {
        name: value
        for name, value in vars(options).items()
        if value not in (getattr(default, name), getattr(begun, name))
    }
    if root not in (None, begun_root):
        changed["data_root"] = root
    for name, value in changed.items():
        acts = _ACTS.get(f"{name} {value}", _ACTS[name])
        if not kinds & {*acts}:
            flag = (named or options.flag)(name)
            what = type(data).__name__ if is_object(data) else ", ".join(places_in(data))
            only = " and ".join(_WORDS[kind] for kind in acts if kind in _WORDS)
            said = f"{flag} {value}" if f"{name} {value}" in _ACTS else flag
            raise UserError(f"{said} does not act on {what}, only on {only}: leave it out.")


def _kinds(data: object) -> set[str]:
    """What kinds of data these are; none of what is not there."""
    if is_object(data):
        return {"array" if is_array(data) else "items"}
    return {kind for name in places_in(data) if (kind := _kind(name)) is not None}


def _kind(name: str) -> str | None:
    if name in NAMES:
        return "digits" if name == "digits" else "built-in"
    if name.startswith(("hf:", "torchvision:")):
        return name.partition(":")[0]
    path = Path(name)
    if not path.is_file():
        return "folder" if path.is_dir() else None
    ending = path.suffix.lower()
    return "npz" if ending == ".npz" else "list" if ending in ENDINGS else "image"
