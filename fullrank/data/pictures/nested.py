"""What folders mean by more than the first folder: splits inside of classes, masks beside images, names that repeat."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from fullrank.data.options import DataOptions
from fullrank.data.pictures.names import around, beside, role
from fullrank.data.pictures.parts import Layout, Part, by_first_folder, counted, listed
from fullrank.errors import UserError, shell


def without_masks(root: Path, files: Sequence[Path]) -> tuple[Sequence[Path], list[str]]:
    """The pictures that do not lie in a folder of masks or annotations beside one of images, and what was left out."""
    folders = {Path(folder) for folder in {os.path.dirname(path) for path in files}}
    folders |= {above for folder in folders for above in folder.parents if above.is_relative_to(root)}
    asides = {
        folder for folder in folders
        if beside(folder.name) and any(around(other.name) and other.parent == folder.parent for other in folders)
    }  # fmt: skip
    if not asides:
        return files, []
    kept = [path for path in files if asides.isdisjoint(path.parents)]
    where = ", ".join(sorted({f"{folder.name}/" for folder in asides}))
    return kept, [f"{counted(len(files) - len(kept))} in {where}, beside the images, left out"]


def splits_inside_classes(base: Path, tops: dict[str, list[Path]]) -> Layout | None:
    """The layout of class/train/ and class/test/, where every class has both; None where it is another."""
    depth = len(base.parts)
    split: dict[str, Part] = {}
    for name, inside in tops.items():
        roles = {path: role(path.parts[depth + 1]) if len(path.parts) > depth + 2 else None for path in inside}
        if name == "" or None in roles.values() or "train" not in roles.values() or len(set(roles.values())) < 2:
            return None
        for path, found in roles.items():
            part = split.setdefault(str(found), Part([], [], str(base)))
            part.files.append(path)
            part.names.append(name)
    held = next((name for name in ("test", "validation") if name in split), None)
    if len(tops) < 2 or held is None:
        return None
    notes = [f"trained on */train/, tested on */{held}/"]
    notes += [f"*/{name}/ ({counted(len(split[name]))}) is not used" for name in split if name not in ("train", held)]
    return Layout(split["train"], split[held], tuple(notes))


def ask_where_folders_repeat(base: Path, files: Sequence[Path], options: DataOptions) -> None:
    """UserError where most of the folders that would be classes hold folders of the same names."""
    depth = len(base.parts)
    inside: dict[str, set[str]] = {}
    for path in files:
        if len(path.parts) > depth + 2:
            inside.setdefault(path.parts[depth], set()).add(path.parts[depth + 1])
    common = Counter(name for names in inside.values() for name in names)
    most = max(2, len(by_first_folder(base, files)) / 2)
    repeated = sorted(name for name, count in common.items() if count >= most)
    if options.labels != "auto" or options.split == "none" or len(repeated) < 2:
        return
    outer = sorted(inside)
    parts = " ".join(shell(base / name) for name in outer[:3]) + (" ..." if len(outer) > 3 else "")
    raise UserError(
        f"{base} holds {listed(outer)}, and most of these hold {listed(repeated)}: pass --labels folders if the outer "
        f"ones are the classes, --data {parts} if the inner ones are, or --labels none."
    )
