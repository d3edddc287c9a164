"""What the folders below a root mean: splits by their usual names, classes by the folders inside of them."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fullrank.data.files.names import around, role
from fullrank.data.files.nested import ask_where_folders_repeat, splits_inside_classes, without_masks
from fullrank.data.files.parts import Layout, Part, below, by_first_folder, counted, listed, runs
from fullrank.data.options import DataOptions
from fullrank.errors import UserError

_FEW = 0.1  # share of images up to which strays are left aside without asking
_KAGGLE = ("CLS-LOC", "Data", "ILSVRC")  # ImageNet's own folders above its splits; the labels of val/ lie on top


def understand(root: Path, files: Sequence[str], options: DataOptions) -> Layout:
    """What the images `files` below `root` are for.

    Raises UserError, with the flag that decides, where it is ambiguous.
    """
    top, split = "" if root == Path() else str(root), "auto" if options.split is None else options.split
    files, notes = without_masks(top, files)
    base = _inner(top, files, stop_at_train=split != "none")
    tops = by_first_folder(base, files)
    notes += [f"read in {base[len(below(top)) :]}/"] if base != top else []
    if strays := len(files) - sum(len(inside) for inside in tops.values()):
        notes.append(f"{counted(strays)} beside it left out")
    chosen = _splits(base, tops, split)
    if chosen is None and split == "auto" and (nested := splits_inside_classes(base, tops)):
        ask_where_folders_repeat(base, _all(tops), options, splits=True)
        return replace(nested, notes=(*notes, *nested.notes))
    if chosen is None:
        ask_where_folders_repeat(base, _all(tops), options)
        return Layout(_by_folder(base, _all(tops)), None, tuple(notes))
    name, held = chosen
    inner = _inner(os.path.join(base, name), tops[name])
    train = _by_folder(inner, _all(by_first_folder(inner, tops[name])))
    ask_where_folders_repeat(inner, train.files, options)
    tests = [_test(os.path.join(base, other), tops[other], train, root) for other in held]
    usable = [test for test in tests if test.labeled or not train.labeled]
    test = _first(base, usable, explicit=split != "auto")
    notes.append(f"trained on {name}/" + (f", tested on {_name(test)}/" if test else ""))
    for other in tests:
        if other is not test:
            why = "is not used" if other in usable else "has no labels and is not used"
            notes.append(f"{_name(other)}/ ({counted(len(other))}) {why}")
    for beside, inside in tops.items():
        if beside != name and beside not in held:
            why = "is not a split" if split == "auto" else "--split does not name"
            place = "beside the splits" if beside == "" else f"in {beside}/, which {why},"
            notes.append(f"{counted(len(inside))} {place} left out")
    return Layout(train, test, tuple(notes))


def _all(tops: dict[str, list[str]]) -> list[str]:
    return sorted(path for inside in tops.values() for path in inside)


def _inner(base: str, files: Sequence[str], *, stop_at_train: bool = False) -> str:
    """Down to where images lie in several folders, or in none; a few strays on the way do not stop it."""
    while True:
        tops = by_first_folder(base, files)
        strays = len(tops.pop("", ()))
        if len(tops) != 1:
            return base
        ((name, inside),) = tops.items()
        if (stop_at_train and role(name) == "train") or strays > len(inside) * _FEW:
            return base
        deeper = os.path.join(base, name)
        if strays and len(by_first_folder(_inner(deeper, inside), inside)) < 2:
            return base  # one flat folder and strays
        base = deeper


def _splits(base: str, tops: dict[str, list[str]], asked: str) -> tuple[str, list[str]] | None:
    """The training folder and those that could be the test set; None where folders are classes."""
    names = [name for name in tops if name]
    if asked == "none":
        return None
    if asked != "auto":
        return _asked(base, names, asked)
    roles = {name: role(name, names) for name in names}
    train = [name for name in names if roles[name] == "train"]
    held = [name for name in names if roles[name] in ("validation", "test")]
    others = [name for name in names if name not in train and name not in held]
    if not train and (others or not held):
        return None
    flat = [name for name in train if set(by_first_folder(os.path.join(base, name), tops[name])) == {""}]
    if len(flat) == 1 and not held and len(others) > 1:
        return None  # a class beside others, as in {bus, car, train}
    loose = len(tops.get("", ()))
    few = loose <= _FEW * sum(map(len, tops.values()))
    if len(train) == 1 and (held or (not others and few)):
        return train[0], held
    beside = f" beside {counted(loose)}" if loose else ""
    guess = dict.fromkeys(((train or held)[0], (held or others or train)[-1]))
    raise UserError(
        f"{base or '.'} holds {listed(names)}{beside}, which may be splits or classes: pass --split with the folders "
        f"to train and to test on, such as --split {','.join(guess)}, or --split none if they are classes."
    )


def _asked(base: str, names: Sequence[str], asked: str) -> tuple[str, list[str]]:
    wanted = [name.strip().strip("/") for name in asked.split(",")]
    for name in wanted:
        if name not in names:
            has = f"only {listed(names)}" if names else "only images"
            raise UserError(f"--split {asked}: {base or '.'} has no folder {name} with images, {has}.")
    if len(wanted) > 2:
        raise UserError(f"--split {asked}: pass the folder to train on and one to test on.")
    return wanted[0], wanted[1:]


def _by_folder(base: str, files: Sequence[str]) -> Part:
    """Labeled by the first folder below `base`; nothing is known of what lies in `base` itself."""
    names = [name or None for name, inside in runs(base, files) for _ in inside]
    return Part(list(files), names, base or ".")


def _test(base: str, files: list[str], train: Part, root: Path) -> Part:
    """A test folder: labeled by its folders, by val_annotations.txt (Tiny-ImageNet), or by ImageNet's own table."""
    classes = {name for name in train.names if name is not None}
    inner = base
    while True:
        (name, *more) = by_first_folder(inner, files)
        if more or name == "" or name in classes or not (around(name) or name == os.path.basename(inner)):
            break
        inner = os.path.join(inner, name)
    part = _by_folder(inner, files)
    if part.labeled or not classes:
        return Part(part.files, part.names, base)
    table = _annotations(Path(base), root)
    return Part(part.files, [table.get(Path(path).stem) for path in part.files], base)


def _annotations(base: Path, root: Path) -> dict[str, str]:
    """File name without ending -> class, from the table beside a flat folder; empty where there is none."""
    tiny = base / "val_annotations.txt"
    if tiny.is_file():
        rows = [line.split("\t") for line in tiny.read_text(encoding="utf-8", errors="replace").splitlines()]
        return {Path(row[0]).stem: row[1] for row in rows if len(row) > 1}
    places = [base, base.parent]
    while places[-1] != root or places[-1].name in _KAGGLE:
        if places[-1] == places[-1].parent:
            break
        places.append(places[-1].parent)
    for place in places:
        table = place / "LOC_val_solution.csv"
        if role(base.name) == "validation" and table.is_file():
            with table.open(encoding="utf-8", errors="replace", newline="") as file:
                return {row[0]: row[1].split()[0] for row in csv.reader(file) if len(row) > 1 and row[1].strip()}
    return {}


def _first(base: str, tests: list[Part], *, explicit: bool) -> Part | None:
    """The test set: a test folder before one for validation; raises UserError where two have the same right."""
    if not tests or explicit:
        return tests[0] if tests else None
    names = [_name(test) for test in tests]
    ranked = sorted(tests, key=lambda test: _rank(test, names))
    if len(ranked) > 1 and _rank(ranked[0], names) == _rank(ranked[1], names):
        names = [_name(part) for part in ranked]
        raise UserError(
            f"{base or '.'} holds {listed(names)}, of which one can be the test set: pass --split with the folders to "
            f"train and to test on, such as --split train,{names[0]}."
        )
    return ranked[0]


def _rank(part: Part, beside: Sequence[str]) -> tuple[bool, bool]:
    return not part.labeled, role(_name(part), beside) != "test"


def _name(part: Part) -> str:
    return Path(part.where).name


def decided(part: Part, options: DataOptions, *, ask: bool = True) -> tuple[Part, tuple[str, ...]]:
    """The part with the labels that `--labels` says.

    Raises UserError where much of it lies beside the folders of the rest.
    """
    known = Counter(name for name in part.names if name is not None)
    loose = len(part) - sum(known.values())
    bare, flag = Part(part.files, [None] * len(part), part.where), options.flag("labels")
    if options.labels == "none":
        return bare, (f"labels left out by {flag} none",) if known else ()
    if options.labels == "folders" and len(known) < 2 and ask:
        raise UserError(
            f"{flag} folders: {part.where} has {len(known)} folder{'' if len(known) == 1 else 's'} of images, and "
            "classes are two or more: leave it out."
        )
    if len(known) < 2:
        return (bare if ask else part), ()
    if loose > len(part) * _FEW and options.labels in (None, "auto") and ask:
        raise UserError(
            f"{part.where} holds {counted(loose)} beside {len(known)} folders ({listed(sorted(known))}) with "
            f"{sum(known.values()):,}: pass {flag} folders if the folders are classes, or {flag} none."
        )
    return part, ()
