"""Several folders, lists of files, and lists of classes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fullrank.data import DataOptions, Dataset, ImageTensor, load_dataset
from fullrank.data.files import index
from fullrank.data.identity import fingerprint
from fullrank.errors import UserError
from tests.data.trees import tree, understood


def test_classes_to_keep(tmp_path: Path) -> None:
    tree(tmp_path, "a", "b", "c d", "e")
    keep = tmp_path / "keep.txt"
    keep.write_text("e  with its description\n\nc d\n")
    assert understood(tmp_path, classes=keep).startswith(
        "4 images, 2 classes (c d, e), no test set, 1 file left out (.txt 1); 2 classes kept by"
    )
    for text, message in (
        ("a\nbb\n", "line 2: there are no images of the class bb: did you mean b"),
        ("a\n", r"lists 1 class\(es\)"),
    ):
        keep.write_text(text)
        with pytest.raises(UserError, match=message):
            understood(tmp_path, classes=keep)
    with pytest.raises(UserError, match="cannot be read"):
        understood(tmp_path, classes=tmp_path / "gone.txt")
    keep.write_text("a\nb\n")
    with pytest.raises(UserError, match="these images have no classes to choose from"):
        understood(tree(tmp_path / "flat", "."), classes=keep)


def test_classes_to_keep_of_images_in_memory(tmp_path: Path) -> None:
    keep = tmp_path / "keep.txt"
    keep.write_text("7\n3\n")
    data = load_dataset("digits", options=DataOptions(classes=keep))
    whole = load_dataset("digits")
    assert isinstance(data.train, ImageTensor)
    assert isinstance(whole.train, ImageTensor)
    assert data.train.classes == ("3", "7")
    assert whole.train.labels is not None
    assert data.train.labels is not None
    assert torch.equal(data.train.images[data.train.labels == 1], whole.train.images[whole.train.labels == 7])
    assert data.test is not None
    assert data.test.classes == ("3", "7")


def several(tmp_path: Path, *names: str, **options: object) -> Dataset:
    return load_dataset([str(tmp_path / name) for name in names], options=DataOptions(**options))  # type: ignore[arg-type]


def test_several_folders_are_one_set(tmp_path: Path) -> None:
    tree(tmp_path, "x/a", "x/b", "y/b", "y/c", "flat", "other")
    assert several(tmp_path, "x", "y").inventory().line() == "x, y: 8 images, 3 classes (a, b, ...), no test set"
    assert several(tmp_path, "flat", "other").inventory().line() == (
        "flat, other: 4 images, no labels, no test set; each is flat (--labels folders makes each a class)"
    )
    assert several(tmp_path, "flat", "other", labels="folders").train.classes == ("flat", "other")
    with pytest.raises(UserError, match=r"2 images beside 2 folders .* pass --labels folders"):
        several(tmp_path, "x", "flat")
    with pytest.raises(UserError, match=r"a/0\.png and 1 other are named twice by .*: leave out one of these"):
        several(tmp_path, "x", "x/a")
    with pytest.raises(UserError, match="digits is neither a folder nor a list, and only these can be read together"):
        load_dataset([str(tmp_path / "x"), "digits"])


def test_lists_of_files(tmp_path: Path) -> None:
    tree(tmp_path, "a b/1.png", "a b/2.png", "c.png", "d.png")
    cases = {
        "plain.txt": "a b/1.png\na b/2.png\n\nc.png\nd.png\n",
        "spaces.txt": "a b/1.png x\na b/2.png y\nc.png y\nd.png\n",
        "tabs.txt": "a b/1.png\tx\na b/2.png\ty\nc.png\ty\nd.png\n",
        "bare.csv": "a b/1.png,x\na b/2.png,y\nc.png,y\nd.png\n",
        "head.csv": "split,label,path\n1,x,a b/1.png\n1,y,a b/2.png\n1,y,c.png\n1,,d.png\n",
    }
    for name, text in cases.items():
        (tmp_path / name).write_text(text)
        train = load_dataset(
            str(tmp_path / name), options=DataOptions(labels="auto" if name == "plain.txt" else "folders")
        ).train
        expected = None if name == "plain.txt" else [0, 1, 1, -1]
        assert (None if train.labels is None else train.labels.tolist()) == expected, name
        assert len(train) == 4


@pytest.mark.parametrize("text", ["c.png\nd.png,x\n", "\nc.png,x\nd.png\n"])
def test_a_table_whose_first_row_lacks_its_label_or_everything_is_read(tmp_path: Path, text: str) -> None:
    tree(tmp_path, "c.png", "d.png")
    (tmp_path / "l.csv").write_text(text)
    assert len(load_dataset(str(tmp_path / "l.csv")).train) == 2


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "l.txt",
            "c.png\ngone.png\n",
            r"line 2: there is no file .*gone\.png: paths are relative to the folder of the",
        ),
        ("l.txt", "\n", "names no file: write one path per line"),
        ("l.csv", "a,b,c\nc.png,1,2\n", "has the columns a, b, c: name one path"),
        ("l.csv", "label,path\nx\n", "line 2 has 1 columns and no path"),
        ("l.csv", "c.png,x\nd.png,y,z\n", "line 2 has 3 columns, and the first line has 2: repair it"),
        ("l.csv", "path,split,subset\nc.png,a,b\n", "and at most one split in its first line"),
        ("l.csv", "image,Species\nc.png,x\n", "columns image, Species: name Species label .* or pass --labels none"),
    ],
)
def test_bad_lists(tmp_path: Path, name: str, text: str, message: str) -> None:
    tree(tmp_path, "c.png", "d.png")
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=message):
        load_dataset(str(tmp_path / name))


@pytest.mark.parametrize("fewest", [500, 2])
def test_paths_may_be_absolute_and_not(fewest: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They were read and checked, and then had no fingerprint."""
    monkeypatch.setattr(index, "FEWEST", fewest)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tree(tmp_path, "here/a", "there/b"))
    (tmp_path / "l.txt").write_text(f"here/a/0.png a\nhere/a/1.png a\n{tmp_path}/there/b/0.png b\n")
    prints = []
    for data in (["here", str(tmp_path / "there")], [str(tmp_path / "here"), "there"], ["here", "there"], "l.txt"):
        train = load_dataset(data, options=DataOptions(labels="folders")).train
        prints.append(fingerprint(train))
    assert [each["images"] for each in prints] == [4, 4, 4, 3]
    assert prints[0] == prints[1] == prints[2]


def test_a_list_names_each_file_once(tmp_path: Path) -> None:
    """A list that named its files twice had the held-out images in the training part."""
    tree(tmp_path, "a/0.png", "a/1.png", "a/2.png")
    (tmp_path / "linked").symlink_to("a")
    (tmp_path / "other.png").symlink_to("a/0.png")
    listed = tmp_path / "l.txt"
    for again in ("a/0.png", "./a/0.png", "a//0.png", "linked/../a/0.png", "linked/0.png", str(tmp_path / "a/0.png")):
        listed.write_text(f"a/0.png\na/1.png\n{again}\n")
        with pytest.raises(UserError, match=r"a/0\.png is named twice by .*l\.txt: name each file once\.$"):
            load_dataset(str(listed))
    listed.write_text("a/0.png x\na/1.png x\na/2.png y\na/1.png y\na/2.png x\na/2.png y\n")
    with pytest.raises(UserError, match=r"a/1\.png and 2 others are named twice"):
        load_dataset(str(listed))
    listed.write_text("a/0.png\nother.png\n")
    assert len(load_dataset(str(listed)).train) == 2  # a link to a file is a file, as a copy would be
    with pytest.raises(UserError, match="a/0\\.png and 2 others are named twice"):
        several(tmp_path, "a", "linked")


def test_no_file_is_to_train_and_to_test_on(tmp_path: Path) -> None:
    tree(tmp_path, *(f"{split}/{name}" for split in ("train", "test") for name in "ab"))
    with pytest.raises(UserError, match=r"test/a/0\.png and 3 others are named twice by .*: leave out one of these"):
        several(tmp_path, "test", ".")


TABLES = {  # the first line of a table and its rows, to what is said of it
    "image,label,when,\n{0},x,1,\n{1},y,2,z\n": "2 classes (x, y), no test set; the columns when, (without a name) are"
    " not read",
    "image,species,date\n{0},x,1\n{1},y,2\n": "no labels, no test set; the columns species, date are not read, and"
    " none is named label",
    ",image\n0,{0}\n1,{1}\n": "no labels, no test set; the column (without a name) is not read, and none is named"
    " label",
    "image,Label\n{0},x\n{1},y\n": "2 classes (x, y), no test set",
    "image,label,split\n{0},x,test\n{1},y,test\n": "2 classes (x, y), no test set",
    "path\n{0}\n{1}\n": "no labels, no test set",
}


@pytest.mark.parametrize("text", TABLES)
def test_columns_that_are_not_read_are_told(text: str, tmp_path: Path) -> None:
    tree(tmp_path, "a.png", "b.png")
    (tmp_path / "l.csv").write_text(text.format("a.png", "b.png"))
    assert understood(tmp_path / "l.csv").removeprefix("l: ") == f"2 images, {TABLES[text]}"


def test_a_table_may_have_a_column_that_is_no_label(tmp_path: Path) -> None:
    tree(tmp_path, "a.png", "b.png")
    (tmp_path / "l.csv").write_text("image,date\na.png,1\nb.png,2\n")
    assert "no labels, no test set; the column date is not read" in understood(tmp_path / "l.csv", labels="none")
