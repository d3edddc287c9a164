"""Which labels a fine-tuning sees: shares, lists, and what cannot be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fullrank.data import Dataset, ImageFolder, ImageSet, ImageTensor, select
from fullrank.errors import UserError
from fullrank.transfer.labels import Labels, said, write_list
from fullrank.transfer.task import Task, with_images
from tests.transfer.made import images, model


def of(train: ImageSet) -> Task:
    """The task of all of these images, with a test set beside them."""
    return with_images(model(), Dataset("made", train, select(train, torch.arange(2)), (0.5,), (0.25,)), seed=0)


def folder(*files: str, labels: list[int]) -> ImageFolder:
    """Files that are not there, of the classes a and b."""
    return ImageFolder(files, torch.tensor(labels), ("a", "b"), 1)


def test_a_share_is_in_proportion_and_drawn_by_seed() -> None:
    labels = torch.tensor([0] * 600 + [1] * 300 + [2] * 100)
    made = of(replace(images(1000, 3, seed=0), labels=labels))
    rows = [Labels(0.1).rows(made, seed) for seed in (0, 0, 1)]
    assert torch.equal(rows[0], rows[1])
    assert not torch.equal(rows[0], rows[2])
    for drawn in rows:
        counts = torch.bincount(labels[drawn]).tolist()
        assert sum(counts) == 100
        assert all(abs(count - wanted) <= 1 for count, wanted in zip(counts, (60, 30, 10), strict=True))
    assert Labels(1.0).rows(made, 0).tolist() == list(range(1000))


def test_a_class_keeps_an_image_as_long_as_there_are_enough_and_one_without_is_said() -> None:
    labels = torch.tensor([0] * 95 + [1, 2, 3, 4, 5])
    made = of(replace(images(100, 6, seed=0), labels=labels))
    six = Labels(0.06).rows(made, 0)
    assert torch.bincount(labels[six]).tolist() == [1] * 6
    four = Labels(0.04).rows(made, 0)
    assert len(four) == 4
    assert "2 of 6 classes have none of them" in said(four, labels, [*"abcdef"])


def test_a_list_names_files_as_simclrs_do_or_by_class(tmp_path: Path) -> None:
    files = tuple(f"/data/{kind}/{kind}_{at}.JPEG" for kind in ("n01", "n02") for at in range(3))
    made = folder(*files, labels=[0, 0, 0, 1, 1, 1])
    (tmp_path / "list.txt").write_text("n02_1.JPEG\n\nn01/n01_0.JPEG\nn02_1.JPEG\n")
    rows = Labels.of(str(tmp_path / "list.txt")).rows(of(made), 0)
    assert rows.tolist() == [0, 4]
    write_list(tmp_path / "again.txt", rows, made)
    assert Labels.of(str(tmp_path / "again.txt")).rows(of(made), 5).tolist() == [0, 4]


def test_a_list_that_was_written_goes_back_in_whatever_the_folders_are(tmp_path: Path) -> None:
    files = ("/d/cat/2021/001.png", "/d/cat/2022/001.png", "/d/dog/2021/001.png", "/d/dog/cat/2021/001.png")
    made = folder(*files, labels=[0, 0, 1, 1])
    write_list(tmp_path / "list.txt", torch.tensor([0, 2]), made)
    assert (tmp_path / "list.txt").read_text() == "cat/2021/001.png\ndog/2021/001.png\n"
    assert Labels.of(str(tmp_path / "list.txt")).rows(of(made), 0).tolist() == [0, 2]


def test_rows_are_those_of_the_whole_array(tmp_path: Path) -> None:
    """Also where some of it have no label, and where a fifth is held out; what is listed is not held out."""
    labels = torch.arange(10).repeat_interleave(5) // 2
    labels[::10] = -1
    array = replace(images(50, 5, seed=0), images=torch.arange(50, dtype=torch.uint8).view(50, 1, 1, 1), labels=labels)
    whole = with_images(model(), Dataset("made", array, None, (0.5,), (0.25,)), seed=0, seen=False)
    (tmp_path / "list.txt").write_text("\n".join(str(row) for row in range(20) if row % 10))
    asked = Labels.of(str(tmp_path / "list.txt"))
    task = asked.learned_from(whole)
    learned, tested = select(task.train, asked.rows(task, 0)), task.test
    assert isinstance(learned, ImageTensor)
    assert isinstance(tested, ImageTensor)
    assert isinstance(whole.test, ImageTensor)
    assert learned.images.flatten().tolist() == [row for row in range(20) if row % 10]
    held = whole.test.images.flatten().tolist()
    assert tested.images.flatten().tolist() == [row for row in held if row >= 20]
    assert task.about == f"{len(tested)} of {len(held)} held-out images (a fifth of made), without those on the list"
    write_list(tmp_path / "again.txt", task.rows[asked.rows(task, 0)], task.whole)
    assert (tmp_path / "again.txt").read_text().split() == (tmp_path / "list.txt").read_text().split()


def test_a_list_of_no_labels_or_of_everything_is_an_error(tmp_path: Path) -> None:
    array = replace(images(10, 2, seed=0), labels=torch.tensor([-1, -1, *[0, 1] * 4]))
    whole = with_images(model(), Dataset("made", array, None, (0.5,), (0.25,)), seed=0)
    for rows, sentence in (
        (range(10), r"names 2 images that are not among the 8 .* with labels \(0, 1\)"),
        (range(2, 10), "has all the images that are held out to score on"),
    ):
        (tmp_path / "list.txt").write_text("\n".join(map(str, rows)))
        with pytest.raises(UserError, match=sentence):
            Labels.of(str(tmp_path / "list.txt")).learned_from(whole)


@pytest.mark.parametrize("prefix", ["", "photos/", "/data/photos/"])
def test_a_path_that_is_its_own_class_and_name_is_the_name_of_one_image(prefix: str, tmp_path: Path) -> None:
    """As in --data . they are."""
    files = tuple(f"{prefix}{kind}/{kind}{at}.png" for kind in "ab" for at in range(2))
    made = of(folder(*files, labels=[0, 0, 1, 1]))
    for lines in (["a/a0.png", "b/b1.png"], ["a0.png", "b1.png"], [files[0], files[3]]):
        (tmp_path / "list.txt").write_text("\n".join(lines))
        assert Labels.of(str(tmp_path / "list.txt")).rows(made, 0).tolist() == [0, 3]


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("n01_0.JPEG\nother.JPEG\nmore.JPEG", r"names 2 images that are not among the 4 .* \(other.JPEG, more.JPEG\)"),
        (
            "same.JPEG\nn01_0.JPEG",
            "Several training images are called same.JPEG: write their paths in .*, as n01/same",
        ),
        ("", "names 0 images: list two or more"),
    ],
)
def test_a_wrong_list_is_an_error(lines: str, sentence: str, tmp_path: Path) -> None:
    files = ("/d/n01/n01_0.JPEG", "/d/n01/same.JPEG", "/d/n02/same.JPEG", "/d/n02/b.JPEG")
    (tmp_path / "list.txt").write_text(lines)
    with pytest.raises(UserError, match=sentence):
        Labels.of(str(tmp_path / "list.txt")).rows(of(folder(*files, labels=[0, 0, 1, 1])), 0)


@pytest.mark.parametrize("wrong", ["0", "1.5", "-1", "no-such-list.txt", "nan"])
def test_what_is_no_share_is_an_error(wrong: str) -> None:
    with pytest.raises(UserError, match=f"--labels {wrong} is"):
        Labels.of(wrong)


def test_a_share_of_one_image_is_an_error() -> None:
    with pytest.raises(UserError, match=r"--labels 0.01 of 60 images is 1: pass a larger share."):
        Labels(0.01).rows(of(images(60, 3, seed=0)), 0)
