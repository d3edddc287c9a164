"""What folders mean by more than the first folder: splits inside of classes, masks beside images, names that repeat."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence

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


def ask_where_folders_repeat(base: str, files: Sequence[str], options: DataOptions) -> None:
    """Raise a UserError where most of the folders that would be classes hold folders of the same names."""
    tops = by_first_folder(base, files)
    inside = {name: {*by_first_folder(os.path.join(base, name), tops[name])} - {""} for name in tops if name}
    inside = {name: names for name, names in inside.items() if names}
    common = Counter(name for names in inside.values() for name in names)
    most = max(2, len(tops) / 2)
    repeated = sorted(name for name, count in common.items() if count >= most)
    if options.labels not in (None, "auto") or options.split == "none" or len(repeated) < 2:
        return
    outer, flag = sorted(inside), options.flag("labels")
    parts = " ".join(shell(os.path.join(base, name)) for name in outer[:3]) + (" ..." if len(outer) > 3 else "")
    raise UserError(
        f"{base or '.'} holds {listed(outer)}, and most of these hold {listed(repeated)}: pass {flag} folders if the "
        f"outer ones are the classes, --data {parts} if the inner ones are, or {flag} none."
    )
