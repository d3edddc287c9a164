"""What folders mean by more than the first folder: splits inside of classes, masks beside images, names that repeat."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from typing import NoReturn

from fullrank.data.files.names import around, beside, role
from fullrank.data.files.parts import Layout, Part, below, by_first_folder, counted, listed
from fullrank.data.options import DataOptions
from fullrank.errors import UserError, shell


def without_masks(top: str, files: Sequence[str]) -> tuple[Sequence[str], list[str]]:
    """The images that do not lie in a folder of masks or annotations beside one of images, and what was left out."""
    folders = set[str]()
    for folder in {path.rpartition(os.sep)[0] for path in files}:
        while len(folder) >= len(top) and folder not in folders:
            folders.add(folder)
            folder = os.path.dirname(folder)
    images = {os.path.dirname(folder) for folder in folders if around(os.path.basename(folder))}
    asides = {folder for folder in folders if beside(os.path.basename(folder)) and os.path.dirname(folder) in images}
    if not asides:
        return files, []
    starts = tuple(below(folder) for folder in asides)
    kept = [path for path in files if not path.startswith(starts)]
    where = ", ".join(sorted({f"{os.path.basename(folder)}/" for folder in asides}))
    return kept, [f"{counted(len(files) - len(kept))} in {where}, beside the images, left out"]


def splits_inside_classes(base: str, tops: dict[str, list[str]]) -> Layout | None:
    """The layout of class/train/ and class/test/, where every class has both; None where it is another."""
    split: dict[str, Part] = {}
    for name, inside in tops.items():
        folders = by_first_folder(os.path.join(base, name), inside)
        roles = {role(folder) for folder in folders}
        if name == "" or None in roles or "train" not in roles or len(roles) < 2:
            return None
        for folder, files in folders.items():
            part = split.setdefault(str(role(folder)), Part([], [], base or "."))
            part.files.extend(files)
            part.names.extend([name] * len(files))
    held = next((name for name in ("test", "validation") if name in split), None)
    if len(tops) < 2 or held is None:
        return None
    notes = [f"trained on */train/, tested on */{held}/"]
    notes += [f"*/{name}/ ({counted(len(split[name]))}) is not used" for name in split if name not in ("train", held)]
    return Layout(split["train"], split[held], tuple(notes))


def ask_where_folders_repeat(base: str, files: Sequence[str], options: DataOptions, *, splits: bool = False) -> None:
    """Raise a UserError where the folders that would be classes hold what could be classes as well.

    These are folders of the same names in most of them, also in their folders of splits or images, or in one of two.
    Of folders that are known to be `splits` only what is inside is looked at.
    """
    if options.labels not in (None, "auto") or options.split == "none":
        return
    places = {name: os.path.join(base, name) for name in by_first_folder(base, files) if name}
    tops = {name: by_first_folder(place, files) for name, place in places.items()}
    within = {name: _folders(places[name], inside) for name, inside in tops.items()}
    for inner in (within,) if splits else ({name: {*inside} - {""} for name, inside in tops.items()}, within):
        common = Counter(name for names in inner.values() for name in names)
        repeated = sorted(name for name, count in common.items() if count >= max(2, len(tops) / 2))
        outer = [name for name in sorted(tops) if inner[name]]
        if len(repeated) > 1:
            _ask(base, outer, f"{listed(outer)}, and most of these hold {listed(repeated)}", options)
        if len(tops) == 2 and len(outer) == 1 and len(common) > 1:
            said = f"{listed(sorted(tops))}, and of these only {outer[0]}/ holds folders ({listed(sorted(common))})"
            _ask(base, outer, said, options)


def _folders(base: str, tops: dict[str, list[str]]) -> set[str]:
    """The folders below `base`, of splits, of images and of one folder alone those that they hold."""
    names = {*tops} - {""}
    plain = {name for name in names if not (role(name, names) or around(name))}
    if plain and len(tops) > 1:
        return names
    inside = {os.path.join(base, name): tops[name] for name in names}
    deeper = {inner for place, files in inside.items() for inner in _folders(place, by_first_folder(place, files))}
    return deeper or plain


def _ask(base: str, outer: Sequence[str], said: str, options: DataOptions) -> NoReturn:
    """Raise the UserError; `outer` are the folders whose own folders may be the classes."""
    flag, few = options.flag("labels"), outer[:3]
    parts = " ".join(shell(os.path.join(base, name)) for name in few) + (" ..." if len(outer) > 3 else "")
    parts += " (or one of them)" if len(outer) > 1 else ""
    raise UserError(
        f"{base or '.'} holds {said}: pass {flag} folders if the outer ones are the classes, --data {parts} if the "
        f"inner ones are, or {flag} none."
    )
