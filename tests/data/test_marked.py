"""Lists with a column of splits: its rows are trained on and tested on as the column says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from fullrank.data import DataOptions, ImageFolder, load_dataset
from fullrank.errors import UserError
from tests.data.trees import tree

NAMES = tuple(f"{at}.png" for at in range(6))


def marked(folder: Path, marks: Sequence[str], *, labels: str = "xyxyxy", head: str = "split") -> str:
    """A table of six images with a class and a split of each."""
    tree(folder, *NAMES)
    rows = [f"{name},{label.strip()},{mark}" for name, label, mark in zip(NAMES, labels, marks, strict=True)]
    (folder / "l.csv").write_text("\n".join([f"image,label,{head}", *rows]))
    return str(folder / "l.csv")


def read(place: str, **options: str) -> tuple[list[int], list[int], str]:
    """The numbers of the images to train on and to test on, and what is said of them."""
    data = load_dataset(place, options=DataOptions(**options))  # type: ignore[arg-type]
    assert isinstance(data.train, ImageFolder)
    assert isinstance(data.test, ImageFolder | None)
    parts = [[] if part is None else [int(Path(file).stem) for file in part.files] for part in (data.train, data.test)]
    return parts[0], parts[1], data.inventory().line()


T, V, S = "train", "val", "test"
THREE = (T, T, S, S, V, V)


@pytest.mark.parametrize("head", ["split", "Subset", "partition"])
def test_rows_are_to_test_on_as_a_column_says(head: str, tmp_path: Path) -> None:
    """Rows marked test were trained on, and a random fifth was scored."""
    train, test, said = read(marked(tmp_path, (T, T, S, T, T, S), head=head))
    assert (train, test) == ([0, 1, 3, 4], [2, 5])
    assert said == (
        "l: 4 images, 2 classes (x, y), 2 test images; trained on the rows of train, tested on those of test"
    )
    train, test, said = read(marked(tmp_path, THREE, head=head))
    assert (train, test) == ([0, 1], [2, 3])
    assert said.endswith("; val (2 images) is not used")


def test_the_flag_of_splits_decides(tmp_path: Path) -> None:
    place = marked(tmp_path, THREE)
    assert read(place, split="train,val")[:2] == ([0, 1], [4, 5])
    assert read(place, split="test")[:2] == ([2, 3], [])
    train, test, said = read(place, split="none")
    assert (train, test) == ([*range(6)], [])
    assert said.endswith("no test set; the column split is not read")
    place = marked(tmp_path, "012012")
    assert read(place, split="0,2")[:2] == ([0, 3], [2, 5])


def test_test_rows_without_labels_are_not_scored(tmp_path: Path) -> None:
    place = marked(tmp_path, THREE, labels="xy  xy")
    train, test, said = read(place)
    assert (train, test) == ([0, 1], [4, 5])
    assert said.endswith("tested on those of val; test (2 images) has no labels and is not used")
    assert read(place, labels="none")[0] == [0, 1]


@pytest.mark.parametrize(
    ("marks", "split", "sentence"),
    [
        ("012012", None, r"has 0, 1, 2 in its column of splits: pass --split .*, such as --split 0,1, or --split none"),
        ((T, T, S, S, "", ""), None, r"has train, test beside 2 images of none .* such as --split train,test, or"),
        ((T, T, T, "", "", ""), None, r"has train beside 3 images of none .* such as --split train, or"),
        ((S, S, S, V, V, V), None, r"has test, val in its column of splits"),
        ((T, T, S, S, "eval", "eval"), None, r"has train, test, eval in its column of splits"),
        (THREE, "train,tset", r"--split train,tset: .*l\.csv has no rows of tset, only of train, test, val\."),
        (THREE, "train,train", r"--split train,train: pass the rows to train on and others to test on\."),
        (THREE, "train,test,val", r"--split train,test,val: pass the rows"),
    ],
)
def test_what_is_ambiguous_is_an_error(marks: Sequence[str], split: str | None, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=sentence):
        load_dataset(marked(tmp_path, marks), options=DataOptions(split=split))


def test_a_list_without_the_column_has_no_splits(tmp_path: Path) -> None:
    tree(tmp_path, "photos/train/a", "photos/train/b", "photos/val/a", "photos/val/b", "c.png", "d.png")
    (tmp_path / "l.txt").write_text("c.png a\nd.png b\n")
    options = DataOptions(split="train,val")
    with pytest.raises(UserError, match=r"--split train,val: .*l\.txt has no column split: add one, or leave --split"):
        load_dataset(str(tmp_path / "l.txt"), options=options)
    both = load_dataset([str(tmp_path / "photos"), str(tmp_path / "l.txt")], options=options)
    assert (len(both.train), len(both.test or ())) == (6, 4)
