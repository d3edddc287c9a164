"""What names of folders say: a split in any usual form, a folder around images, and one of masks beside them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

Role = Literal["train", "validation", "test"]

_ROLES: dict[str, Role] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "validation"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}
_AROUND = ("images", "image", "imgs", "img", "jpegimages", "pictures", "photos", "data")
_BESIDE = frozenset(
    ("mask", "masks", "label", "labels", "annotation", "annotations", "gt", "groundtruth", "ground_truth", "depth")
) | {"segmentation", "segmentations", "segmentationclass", "segmentationobject"}
_PLAIN = {*_AROUND, "set", "sets", "split", "dataset", "folder"}  # words that say nothing beside a split's


def role(name: str, siblings: Iterable[str] = ()) -> Role | None:
    """The split that a folder is, None where its name does not say one.

    Words beside the split's must be plain, as in `test_set`, or numbers, or the same in a sibling of another split,
    as in `seg_train` and `seg_test`.

    >>> role("Training"), role("validation_set"), role("seg_test", ["seg_train"]), role("test_tube")
    ('train', 'validation', 'test', None)
    """
    found, rest = _split(name)
    if found is None or all(word in _PLAIN or word.isdigit() for word in rest):
        return found
    others = (_split(sibling) for sibling in siblings)
    return found if any(other not in (None, found) and words == rest for other, words in others) else None


def _split(name: str) -> tuple[Role | None, tuple[str, ...]]:
    """The split among the words of a name, and the other words and digits."""
    words = re.findall(r"[^\W\d_]+|\d+", name.lower())
    at = [index for index, word in enumerate(words) if word in _ROLES]
    if len(at) != 1:
        return None, tuple(words)
    return _ROLES[words[at[0]]], tuple(word for index, word in enumerate(words) if index != at[0])


def around(name: str) -> bool:
    """Whether a folder of this name only holds the images, and is not a class.

    >>> around("JPEGImages"), around("cat")
    (True, False)
    """
    return name.lower() in _AROUND


def beside(name: str) -> bool:
    """Whether a folder of this name, next to one of images, holds masks or annotations.

    >>> beside("SegmentationClass"), beside("cat")
    (True, False)
    """
    return name.lower() in _BESIDE
