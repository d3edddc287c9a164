"""VOC's XML: one file per image, boxes by their first and last pixel or their edges, and lists of names as splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

from fullrank.data import strict_decoding
from fullrank.detection.annotations import checks
from fullrank.detection.annotations.record import AnnotatedImage, Annotations, Thing
from fullrank.detection.annotations.xml import read_xml
from fullrank.errors import UserError
from fullrank.runs.reading import read_text


@dataclass(frozen=True)
class _File:
    """One XML file: its image, the size that it says, and class, corners and difficulty of each object."""

    path: Path
    image: Path
    stated: tuple[int, int] | None
    objects: Sequence[tuple[str, tuple[float, ...], bool]]


def read_voc(path: Path, *, images: Path | None, first: int | None, flag: str) -> Annotations:
    """Read VOC's XML: one file, a folder of files, or a list of names as in ImageSets/Main.

    `first` is the number of the first pixel: 1 in VOC's own files, where boxes end with their last pixel, and 0 in
    those of many tools, where they end at its edge; by default 0 where a box begins at 0, else 1.
    """
    files = [_file(one, images, flag) for one in _files(path, flag)]
    if not any(file.image.is_file() for file in files):
        tried = files[0].image
        raise UserError(f"None of the images of {path} is there ({tried}, ...): pass their folder as --{flag}-images.")
    lowest = min((min(corners[:2]) for file in files for _, corners, _ in file.objects), default=1.0)
    start = (0 if lowest < 1 else 1) if first is None else first
    names = tuple(sorted({name for file in files for name, _, _ in file.objects}))
    counted: Counter[str] = Counter()
    with strict_decoding():
        made = [_annotated(file, {name: at for at, name in enumerate(names)}, start, counted) for file in files]
    kept = [image for image in made if image is not None]
    counted[checks.EMPTY] += sum(not image.things for image in kept)
    if not names:
        raise UserError(f"{path} has no object: pass annotations with boxes.")
    notes = (f"pixels counted from {start}",)
    return Annotations(str(path), "VOC", kept, names, tuple(range(1, len(names) + 1)), counted, notes)


def _files(path: Path, flag: str) -> list[Path]:
    if _is_xml(path) and path.is_file():
        return [path]
    if path.suffix.lower() == ".txt" and path.is_file():
        return _of_list(path)
    if path.is_file():
        raise UserError(f"{path} ends in none of .json, .xml and .txt: pass COCO JSON, or VOC XML or a list of names.")
    if not path.is_dir():
        raise UserError(f"There is no {path}: pass COCO JSON, or VOC XML, a folder of it or a list of names.")
    if (path / "Annotations").is_dir():
        lists = sorted(path.glob("ImageSets/Main/*.txt"))
        if lists:
            raise UserError(f"{path} has several sets: pass one as --{flag} {path}/ImageSets/Main/{lists[0].name}.")
        path = path / "Annotations"
    if found := sorted(one for one in path.iterdir() if _is_xml(one)):
        return found
    raise UserError(f"{path} holds no XML file: pass the folder with VOC's annotations.")


def _is_xml(path: Path) -> bool:
    return path.suffix.lower() == ".xml"


def _of_list(path: Path) -> list[Path]:
    """The files that a list of ImageSets/Main names, from ../../Annotations, or from beside the list."""
    try:
        lines = [line.split() for line in read_text(path).splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as a list of names ({error}): save it as text in UTF-8.") from None
    if not lines:
        raise UserError(f"{path} names no image: pass another list.")
    if any(len(line) > 1 for line in lines):
        raise UserError(
            f"{path} has more than one name per line, as lists of one class have: pass train.txt or the like."
        )
    places = [path.parent.parent.parent / "Annotations", path.parent / "Annotations", path.parent]
    names = [Path(line[0]).name for line in lines]
    tried = [_named(place, names[0]) for place in places]
    folder = next((first.parent for first in tried if first.is_file()), None)
    if folder is None:
        where = ", ".join(map(str, places))
        raise UserError(f"{tried[0].name} of {path} is not in {where}: keep VOC's folders together.")
    files = [_named(folder, name) for name in names]
    if missing := [file for file in files if not file.is_file()]:
        raise UserError(f"{missing[0]}, which {path} names, is missing: restore it.")
    return files


def _named(folder: Path, name: str) -> Path:
    """The XML file of a name in a list, which may have its ending."""
    name = name[:-4] if name.lower().endswith(".xml") else name
    large = folder / f"{name}.XML"
    return large if large.is_file() else folder / f"{name}.xml"


def _file(path: Path, images: Path | None, flag: str) -> _File:
    root = read_xml(path)
    if root.tag != "annotation":
        raise UserError(f"{path} is not a file of VOC's annotations (its root is <{root.tag[:30]}>): pass others.")
    name = Path((root.findtext("filename") or "").strip() or path.stem).name
    if images is not None and not images.is_dir():
        raise UserError(f"There is no folder {images}: pass the one with the images as --{flag}-images.")
    beside = path.parent.parent
    places = [images] if images is not None else [path.parent, beside / "JPEGImages", beside / "images", beside]
    tried = [checks.with_ending(place / one) for one in (name, f"{path.stem}{Path(name).suffix}") for place in places]
    image = next((one for one in tried if one.is_file()), tried[0])
    sides = [_number(root.find("size"), side, path, 0.0) for side in ("width", "height")]
    stated = (int(sides[0]), int(sides[1])) if min(sides) > 0 else None
    return _File(path, image, stated, [_object(one, path) for one in root.findall("object")])


def _object(element: Element, path: Path) -> tuple[str, tuple[float, ...], bool]:
    name = (element.findtext("name") or "").strip()
    box = element.find("bndbox")
    if not name or box is None:
        raise UserError(f"{path} has an object without a name or a bndbox: correct the file.")
    corners = tuple(_number(box, side, path, None) for side in ("xmin", "ymin", "xmax", "ymax"))
    return name, corners, (element.findtext("difficult") or "0").strip() == "1"


def _number(element: Element | None, name: str, path: Path, default: float | None) -> float:
    text = None if element is None else element.findtext(name)
    if text is None and default is not None:
        return default
    try:
        return checks.numbers([float(text or "")], 1, "")[0]
    except (ValueError, UserError):
        raise UserError(f"{path}: {name} is {str(text)[:30]!r}, not a number: correct the file.") from None


def _annotated(file: _File, places: dict[str, int], start: int, counted: Counter[str]) -> AnnotatedImage | None:
    size = checks.size_of(file.image, file.stated, counted)
    if size is None:
        return None
    things = []
    for name, (left, top, right, bottom), difficult in file.objects:
        box = checks.inside((left - start, top - start, right, bottom), *size, counted)  # from 1, the last pixel's edge
        if box is not None:
            counted[checks.DIFFICULT] += difficult
            things.append(Thing(box, places[name], (box[2] - box[0]) * (box[3] - box[1]), difficult=difficult))
    return AnnotatedImage(file.image, file.path.stem, *size, tuple(things))
