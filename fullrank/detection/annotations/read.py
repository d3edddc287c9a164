"""A path, or several, to annotations: the format by what the path is, the classes by their names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

from fullrank.detection.annotations.coco import read_coco
from fullrank.detection.annotations.record import AnnotatedImage, Annotations
from fullrank.detection.annotations.voc import read_voc
from fullrank.errors import UserError


def read_annotations(
    paths: Sequence[Path],
    *,
    images: Path | None = None,
    masks: bool = False,
    first: int | None = None,
    flag: str = "train",
    like: Annotations | None = None,
) -> Annotations:
    """Read COCO JSON or VOC XML; several paths are one set. Nothing in a file is run.

    Args:
        paths: Files of COCO JSON; or VOC's XML files, folders of them, or lists as in ImageSets/Main.
        images: The folder that the file names begin in; by default it is looked for beside the annotations.
        masks: Read masks too, and leave out what has none.
        first: The number of the first pixel in VOC's files: 1 where boxes end with their last pixel, 0 where they end
            at its edge; by default 0 where a box begins there, else 1.
        flag: What sentences call the set.
        like: The set whose classes these are, by their names; each keeps the number that it has in `paths`.

    Raises:
        UserError: One sentence on what cannot be read, or could mean two things.

    >>> read_annotations([Path("nowhere.json")])
    Traceback (most recent call last):
    fullrank.errors.UserError: There is no file nowhere.json: pass COCO JSON, or VOC XML.
    """
    if not paths:
        raise UserError(f"--{flag} needs annotations: pass COCO JSON, or VOC XML.")
    if first not in (None, 0, 1):
        raise UserError(f"--voc-first {first} is not a number of a first pixel: pass 0 or 1.")
    kinds = {_is_json(path) for path in paths}
    if len(kinds) > 1:
        raise UserError(f"--{flag} mixes COCO JSON and VOC XML: pass one format.")
    if masks and kinds == {False}:
        raise UserError("VOC's XML holds no masks: leave out --masks, or pass COCO JSON.")
    parts = [
        read_coco(path, images=images, masks=masks, flag=flag)
        if _is_json(path)
        else read_voc(path, images=images, first=first, flag=flag)
        for path in paths
    ]
    return _together(parts, like, flag)


def _is_json(path: Path) -> bool:
    return path.suffix.lower() == ".json"


def _together(parts: Sequence[Annotations], like: Annotations | None, flag: str) -> Annotations:
    """The parts as one set, with the classes of `like`, or of all parts."""
    starts = {part.notes for part in [*parts, *([like] if like else [])] if part.kind == "VOC"}
    if len(starts) > 1:
        raise UserError("Pixels are counted from 0 in some of the VOC files and from 1 in others: pass --voc-first.")
    names = dict.fromkeys(name for part in parts for name in part.classes)
    if like is not None:
        if unknown := [name for name in names if name not in like.classes]:
            raise UserError(
                f"--{flag} has the class {unknown[0]}, which the training has not: pass annotations of both."
            )
        names = dict.fromkeys(like.classes)
    if like is not None:
        ids = _ids(parts, like, flag)
    else:
        ids = parts[0].ids if len(parts) == 1 else tuple(range(1, len(names) + 1))
    place = {name: at for at, name in enumerate(names)}
    images: list[AnnotatedImage] = []
    for part in parts:
        label = [place[name] for name in part.classes]
        images += [
            replace(one, things=tuple(replace(thing, label=label[thing.label]) for thing in one.things))
            for one in part.images
        ]
    if like is not None:
        _require_own_ids(images, flag)
    counted = sum((Counter(part.counted) for part in parts), Counter())
    source = " and ".join(part.source for part in parts)
    notes = tuple(dict.fromkeys(note for part in parts for note in part.notes))
    return Annotations(source, parts[0].kind, images, tuple(names), ids, counted, notes)


def _require_own_ids(images: Sequence[AnnotatedImage], flag: str) -> None:
    """Raise a UserError for two images of one id, which nothing could tell apart in the predictions."""
    known: dict[int | str, AnnotatedImage] = {}
    for image in images:
        if (first := known.setdefault(image.id, image)) is not image:
            raise UserError(
                f"--{flag} has two images of the id {image.id} ({first.path} and {image.path}), which the predictions "
                "could not tell apart: give each its own, or leave one out."
            )


def _ids(parts: Sequence[Annotations], like: Annotations, flag: str) -> tuple[int, ...]:
    """The number of each class of `like` in COCO's files; one that they lack has that of `like`, or a free one."""
    if parts[0].kind == "VOC":  # whose files number no class
        return like.ids
    known: dict[str, int] = {}
    owner: dict[int, str] = {}
    for part in parts:
        for name, number in zip(part.classes, part.ids, strict=True):
            if known.setdefault(name, number) != number or owner.setdefault(number, name) != name:
                raise UserError(
                    f"{part.source} has the class {name} as {number}, which the other files of --{flag} contradict: "
                    "give each class one id in all of them."
                )
    free = count(max(*owner, *like.ids) + 1)
    own = zip(like.classes, like.ids, strict=True)
    return tuple(known[name] if name in known else next(free) if number in owner else number for name, number in own)
