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
    with pytest.raises(UserError, match=r"a/0\.png and 1 others are named twice"):
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
