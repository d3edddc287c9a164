"""Which labels a fine-tuning sees: shares, lists, and what cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fullrank.data import ImageFolder
from fullrank.errors import UserError
from fullrank.transfer.labels import Labels, said, write_list
from tests.transfer.made import images


def test_a_share_is_in_proportion_and_drawn_by_seed() -> None:
    labels = torch.tensor([0] * 600 + [1] * 300 + [2] * 100)
    made = images(1000, 3, seed=0)
    rows = [Labels(0.1).rows(made, labels, seed) for seed in (0, 0, 1)]
    assert torch.equal(rows[0], rows[1])
    assert not torch.equal(rows[0], rows[2])
    for drawn in rows:
        counts = torch.bincount(labels[drawn]).tolist()
        assert sum(counts) == 100
        assert all(abs(count - wanted) <= 1 for count, wanted in zip(counts, (60, 30, 10), strict=True))
    assert Labels(1.0).rows(made, labels, 0).tolist() == list(range(1000))


def test_a_class_keeps_an_image_as_long_as_there_are_enough_and_one_without_is_said() -> None:
    labels = torch.tensor([0] * 95 + [1, 2, 3, 4, 5])
    made = images(100, 6, seed=0)
    six = Labels(0.06).rows(made, labels, 0)
    assert torch.bincount(labels[six]).tolist() == [1] * 6
    four = Labels(0.04).rows(made, labels, 0)
    assert len(four) == 4
    assert "2 of 6 classes have none of them" in said(four, labels, [*"abcdef"])


def test_a_list_names_files_as_simclrs_do_or_by_class(tmp_path: Path) -> None:
    files = tuple(f"/data/{kind}/{kind}_{at}.JPEG" for kind in ("n01", "n02") for at in range(3))
    made = ImageFolder(files, torch.tensor([0, 0, 0, 1, 1, 1]), ("n01", "n02"), 3)
    (tmp_path / "list.txt").write_text("n02_1.JPEG\n\nn01/n01_0.JPEG\nn02_1.JPEG\n")
    rows = Labels.of(str(tmp_path / "list.txt")).rows(made, torch.zeros(6), 0)
    assert rows.tolist() == [0, 4]
    write_list(tmp_path / "again.txt", rows, made)
    assert Labels.of(tmp_path / "again.txt").rows(made, torch.zeros(6), 5).tolist() == [0, 4]  # type: ignore[arg-type]


@pytest.mark.parametrize("prefix", ["", "photos/", "/data/photos/"])
def test_a_path_that_is_its_own_class_and_name_is_the_name_of_one_image(prefix: str, tmp_path: Path) -> None:
    """As in --data . they are."""
    files = tuple(f"{prefix}{kind}/{kind}{at}.png" for kind in "ab" for at in range(2))
    made = ImageFolder(files, torch.tensor([0, 0, 1, 1]), ("a", "b"), 3)
    for lines in (["a/a0.png", "b/b1.png"], ["a0.png", "b1.png"], [files[0], files[3]]):
        (tmp_path / "list.txt").write_text("\n".join(lines))
        assert Labels.of(str(tmp_path / "list.txt")).rows(made, torch.zeros(4), 0).tolist() == [0, 3]


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("n01_0.JPEG\nother.JPEG\nmore.JPEG", r"names 2 images that are not among the 4 .* \(other.JPEG, more.JPEG\)"),
        ("same.JPEG\nn01_0.JPEG", "Several training images are called same.JPEG: write CLASS/NAME"),
        ("", "names 0 images: list two or more"),
    ],
)
def test_a_wrong_list_is_an_error(lines: str, sentence: str, tmp_path: Path) -> None:
    files = ("/d/n01/n01_0.JPEG", "/d/n01/same.JPEG", "/d/n02/same.JPEG", "/d/n02/b.JPEG")
    made = ImageFolder(files, torch.tensor([0, 0, 1, 1]), ("n01", "n02"), 3)
    (tmp_path / "list.txt").write_text(lines)
    with pytest.raises(UserError, match=sentence):
        Labels.of(str(tmp_path / "list.txt")).rows(made, torch.zeros(4), 0)


@pytest.mark.parametrize("wrong", ["0", "1.5", "-1", "no-such-list.txt", "nan"])
def test_what_is_no_share_is_an_error(wrong: str) -> None:
    with pytest.raises(UserError, match=f"--labels {wrong} is"):
        Labels.of(wrong)


def test_a_share_of_one_image_is_an_error() -> None:
    with pytest.raises(UserError, match=r"--labels 0.01 of 60 images is 1: pass a larger share."):
        Labels(0.01).rows(images(60, 3, seed=0), torch.arange(60) % 3, 0)
