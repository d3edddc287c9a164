"""Files of arrays that hold several splits, as MedMNIST and Keras save them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fullrank.data.options import DataOptions
from fullrank.data.sources.load import load_dataset
from fullrank.data.sources.npz import read_npz
from fullrank.errors import UserError
from tests.data.test_npz import noise, saved


def medmnist(folder: Path, **more: Any) -> Path:
    """As MedMNIST saves them: three splits, and labels as columns."""
    splits: dict[str, Any] = {}
    for name, count in (("train", 6), ("val", 3), ("test", 4)):
        splits[f"{name}_images"] = noise(count, 5, 5, 3)
        splits[f"{name}_labels"] = (np.arange(count) % 3)[:, None].astype(np.uint8)
    return saved(folder, **splits | more)


@pytest.mark.parametrize(
    ("split", "sizes", "said"),
    [
        ("auto", (6, 4), "trained on train, tested on test; val not used"),
        ("train,val", (6, 3), "trained on train, tested on val; test not used"),
        ("val", (3, None), "trained on val; train, test not used"),
    ],
)
def test_splits_of_one_file(tmp_path: Path, split: str, sizes: tuple[int, int | None], said: str) -> None:
    data = load_dataset(str(medmnist(tmp_path)), options=DataOptions(split=split))
    assert (len(data.train), None if data.test is None else len(data.test)) == sizes
    assert said in data.inventory().line()
    assert data.train.labels is not None
    assert data.train.labels.tolist() == [at % 3 for at in range(sizes[0])]


@pytest.mark.parametrize(
    ("split", "text"),
    [
        ("train,dev", "has no dev, only train, val, test"),
        ("train,train", "one"),
        (",", "pass the split of .* to train on and one to test on"),
    ],
)
def test_splits_that_are_not_there(tmp_path: Path, split: str, text: str) -> None:
    with pytest.raises(UserError, match=f"--split {split}: .*{text}"):
        read_npz(medmnist(tmp_path), DataOptions(split=split))


def test_folders_that_are_classes_are_not_in_a_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--split none is for folders: pass one or two of the splits of"):
        read_npz(medmnist(tmp_path), DataOptions(split="none"))


def test_names_as_keras_has_them(tmp_path: Path) -> None:
    arrays = {"x_train": noise(4, 5, 5), "y_train": np.array([1, 0, 1, 0]), "x_test": noise(2, 5, 5)}
    read = read_npz(saved(tmp_path, **arrays, y_test=np.array([1, 1])))
    assert read.test is not None
    assert read.test.labels is not None
    assert (len(read.images), read.test.labels.tolist()) == (4, [1, 1])


def test_the_classes_of_the_test_images_are_those_of_the_training_images_and_their_own(tmp_path: Path) -> None:
    labels = {"train_labels": np.array(["b", "c"] * 3), "test_labels": np.array(["c", "a", "b", "c"])}
    read = read_npz(medmnist(tmp_path, **labels))
    assert read.test is not None
    assert read.test.labels is not None
    assert (read.images.classes, read.test.classes) == (("b", "c"), ("b", "c", "a"))
    assert read.test.labels.tolist() == [1, 2, 0, 1]


def test_the_test_images_have_the_range_and_the_channels_of_the_training_images(tmp_path: Path) -> None:
    values = np.linspace(0, 4095, 6 * 25 * 3).astype(np.uint16).reshape(6, 5, 5, 3)
    read = read_npz(medmnist(tmp_path, train_images=values, test_images=values[:4] // 4))
    assert read.test is not None
    assert read.range == (0.0, 4095.0)
    assert int(read.test.images.max()) < 50
    with pytest.raises(UserError, match=r"some.npz, test: images have shape \(4, 5, 5\): .* with 3 channels"):
        read_npz(medmnist(tmp_path, test_images=noise(4, 5, 5)))


def test_several_labels_of_an_image_are_left_out_where_that_is_asked(tmp_path: Path) -> None:
    path = medmnist(tmp_path, train_labels=np.zeros((6, 14), dtype=np.uint8))
    with pytest.raises(UserError, match=r"labels have shape \(6, 14\) .*or pass --labels none"):
        load_dataset(str(path))
    assert load_dataset(str(path), options=DataOptions(labels="none")).train.labels is None


@pytest.mark.parametrize("other", [np.float32, np.int64, np.bool_])
def test_test_images_of_another_type_are_not_rescaled_in_silence(tmp_path: Path, other: type) -> None:
    path = medmnist(tmp_path, test_images=np.zeros((4, 5, 5, 3), dtype=other))
    with pytest.raises(
        UserError, match=r"images of train are uint8, those of test .*: save both alike, or pass --split"
    ):
        read_npz(path)
    assert read_npz(path, DataOptions(split="train")).test is None


def test_arrays_that_are_not_used_are_said(tmp_path: Path) -> None:
    mixed = saved(tmp_path, train_images=noise(4, 5, 5), y_train=np.arange(4), masks=noise(4, 5, 5))
    assert "no labels" in load_dataset(str(mixed)).inventory().line()
    assert "y_train, masks not used" in load_dataset(str(mixed)).inventory().line()
    alone = saved(tmp_path, test_images=noise(4, 5, 5))
    assert "trained on test" in load_dataset(str(alone)).inventory().line()


@pytest.mark.parametrize(
    ("names", "classes"), [(("X_train", "y_train", "X_test"), "0, 1"), (("a_train_images", "a_train_labels"), "0, 1")]
)
def test_other_ways_to_name_a_split(tmp_path: Path, names: tuple[str, ...], classes: str) -> None:
    arrays = {name: np.arange(4) % 2 if name.startswith("y") or "labels" in name else noise(4, 5, 5) for name in names}
    arrays |= {"a_test_images": noise(4, 5, 5)} if "a_train_images" in names else {}
    data = load_dataset(str(saved(tmp_path, **arrays)))
    assert (", ".join(data.train.classes), data.test is not None) == (classes, True)


def test_a_split_without_images(tmp_path: Path) -> None:
    path = medmnist(tmp_path, test_images=noise(0, 5, 5, 3), test_labels=np.zeros(0, dtype=int))
    with pytest.raises(UserError, match=r"some.npz, test holds no images: add some, or pass --split with splits"):
        read_npz(path)


def test_two_arrays_for_one_split_are_not_guessed(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has train_images and images, and both would be train: save one of them"):
        read_npz(medmnist(tmp_path, images=noise(4, 5, 5)))
    with pytest.raises(UserError, match="has the splits val, test: pass --split with those to train and to test on"):
        read_npz(saved(tmp_path, val_images=noise(4, 5, 5), test_images=noise(4, 5, 5)))
