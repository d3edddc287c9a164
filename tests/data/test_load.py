"""Names to data: the built-in sets, holding out, and what is said about names that are none."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torchvision

from fullrank.data import DataOptions
from fullrank.data.images import ImageFolder, ImageTensor, labeled, split
from fullrank.data.sources import fashion_mnist as sources
from fullrank.data.sources.load import NAMES, load_dataset
from fullrank.errors import UserError
from tests.data.files import plain

ASKED = DataOptions(download=True)


def in_memory(images: object) -> ImageTensor:
    assert isinstance(images, ImageTensor)
    assert images.images.dtype == torch.uint8
    assert images.labels is not None
    assert images.labels.dtype == torch.int64
    assert images.labels.shape == (len(images),)
    return images


def test_digits() -> None:
    data = load_dataset("digits")
    train, test = in_memory(data.train), in_memory(data.test)
    assert (len(train), len(test)) == (1397, 400)
    assert train.channels == 1
    assert train.images.shape[2:] == (8, 8)
    assert (int(train.images.min()), int(train.images.max())) == (0, 255)
    assert len(train.images.unique()) == 17
    assert train.classes == tuple("0123456789")
    assert train.labels is not None
    assert test.labels is not None
    shares = test.labels.bincount() / (train.labels.bincount() + test.labels.bincount())
    assert (shares - 400 / 1797).abs().max() < 1 / 174  # one image of the smallest class
    pixels = train.images.double() / 255
    assert data.mean == pytest.approx([pixels.mean().item()], abs=1e-12)
    assert data.std == pytest.approx([pixels.std(correction=0).item()], abs=1e-12)
    again = in_memory(load_dataset("digits").test)
    assert torch.equal(again.images, test.images)


@pytest.mark.debian("dataset-fashion-mnist")
def test_fashion_mnist_is_whole() -> None:
    data = load_dataset("fashion-mnist")
    train, test = in_memory(data.train), in_memory(data.test)
    assert train.images.shape == (60_000, 1, 28, 28)
    assert test.images.shape == (10_000, 1, 28, 28)
    assert train.labels is not None
    assert test.labels is not None
    assert train.labels.bincount().tolist() == [6000] * 10
    assert test.labels.bincount().tolist() == [1000] * 10
    assert train.classes[int(train.labels[0])] == "ankle boot"  # as its authors' page shows the first one
    assert data.mean == pytest.approx([0.2860], abs=5e-5)  # the published ones
    assert data.std == pytest.approx([0.3530], abs=5e-5)


def write_idx(folder: Path, name: str, array: np.ndarray[Any, np.dtype[np.uint8]], *, zipped: bool) -> Path:
    data = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()
    path = folder / (f"{name}.gz" if zipped else name)
    path.write_bytes(gzip.compress(data) if zipped else data)
    return path


@pytest.mark.parametrize("zipped", [False, True])
def test_idx_files_that_are_wrong(tmp_path: Path, zipped: bool) -> None:
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    path = write_idx(tmp_path, "some", array, zipped=zipped)
    assert (sources._idx(tmp_path, "some", (2, 3, 4)).numpy() == array).all()
    with pytest.raises(UserError, match=f"{path} does not hold 3 x 2 x 4 bytes as its IDX header should say"):
        sources._idx(tmp_path, "some", (3, 2, 4))
    whole = path.read_bytes()
    for damaged in (whole[:-9], whole[:3], b"", whole + whole):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=rf"{path} (cannot be read \(.*\)|does not hold .*): download it again"):
            sources._idx(tmp_path, "some", (2, 3, 4))
    path.unlink()
    with pytest.raises(UserError, match=r"cannot be read .*No such file.*: download it again"):
        sources._idx(tmp_path, "some", (2, 3, 4))


def test_fashion_mnist_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_DEBIAN", tmp_path / "nothing")
    with pytest.raises(UserError, match=r"pass --data-root .* or install Debian's dataset-fashion-mnist"):
        load_dataset("fashion-mnist")
    asked: list[bool] = []

    def download(root: Path, download: bool) -> None:
        asked.append(download)
        if not download:
            raise RuntimeError("Dataset not found.")
        raw = root / "FashionMNIST" / "raw"
        raw.mkdir(parents=True)
        write_idx(raw, "train-images-idx3-ubyte", np.ones((2, 28, 28), dtype=np.uint8), zipped=False)

    monkeypatch.setattr(torchvision.datasets, "FashionMNIST", download)
    said: list[str] = []
    with pytest.raises(UserError, match=rf"fashion-mnist is not in {tmp_path}, or damaged: pass --download"):
        load_dataset("fashion-mnist", root=tmp_path, say=said.append)
    assert (asked, said) == ([False], [])
    with pytest.raises(UserError, match="train-images-idx3-ubyte does not hold 60000 x 28 x 28 bytes"):
        load_dataset("fashion-mnist", root=tmp_path, options=ASKED, say=said.append)  # what came is read: it is short
    assert asked == [False, False, True]
    assert said == [f"fashion-mnist is not in {tmp_path}: downloading it with torchvision."]


class FakeCifar:
    """What torchvision's CIFAR gives: data (N, 32, 32, 3), a list of targets, classes."""

    classes = ("cat", "dog")

    def __init__(self, _root: Path, train: bool, **_: bool) -> None:
        self.data = np.random.default_rng(0).integers(0, 256, (5 if train else 3, 32, 32, 3), dtype=np.uint8)
        self.targets = [0, 1, 0, 1, 1][: len(self.data)]


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_cifar_has_channels_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(torchvision.datasets, name.upper(), FakeCifar)
    data = load_dataset(name, root=tmp_path)
    train, test = in_memory(data.train), in_memory(data.test)
    source = FakeCifar(tmp_path, train=True, download=False)
    assert torch.equal(train.images, torch.from_numpy(source.data.transpose(0, 3, 1, 2).copy()))
    assert train.labels is not None
    assert train.labels.tolist() == source.targets
    assert train.classes == ("cat", "dog")
    assert len(test) == 3
    assert len(data.mean) == len(data.std) == 3


class FakeStl10:
    """What torchvision's STL10 gives: data (N, 3, 96, 96), labels with -1 for the unlabeled, classes."""

    classes = ("cat", "dog")

    def __init__(self, _root: Path, split: str, **_: bool) -> None:
        self.labels = np.array([0, 1, -1, -1, -1] if split == "train+unlabeled" else [1, 0])
        self.data = np.zeros((len(self.labels), 3, 96, 96), dtype=np.uint8)
        self.data[:, 0, 0, 0] = self.labels + 1


def test_stl10_trains_on_everything_and_knows_some_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchvision.datasets, "STL10", FakeStl10)
    data = load_dataset("stl10", root=tmp_path)
    train = in_memory(data.train)
    assert len(train) == 5
    known = labeled(train)
    assert known.labels is not None
    assert known.labels.tolist() == [0, 1]
    assert known.images[:, 0, 0, 0].tolist() == [1, 2]
    assert len(in_memory(data.test)) == 2


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "stl10"])
def test_sets_that_must_be_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with pytest.raises(UserError, match=f"{name} needs a folder to be read from or downloaded to: pass --data-root"):
        load_dataset(name)

    def offline(_self: object) -> None:
        raise URLError("no network")

    monkeypatch.setattr(getattr(torchvision.datasets, name.upper()), "download", offline)
    said: list[str] = []
    with pytest.raises(UserError, match=f"{name} is not in {tmp_path}, or damaged: pass --download"):
        load_dataset(name, root=tmp_path, say=said.append)
    assert said == []
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UserError, match=f"{name} cannot be downloaded to {tmp_path} .*no network.*check the network"):
        load_dataset(name, root=tmp_path, options=ASKED, say=said.append)
    assert said == [f"{name} is not in {tmp_path}: downloading it with torchvision."]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "cifar-10",
            "cifar-10 is neither a built-in data set nor an existing path: did you mean cifar10, or a",
        ),
        ("Digits", "did you mean digits"),
        ("fashion_mnist", "did you mean fashion-mnist"),
        ("photos/", f"photos/ is neither a built-in .*: pass one of {', '.join(NAMES)}, or a folder"),
        ("gone.npz", "gone.npz is neither a built-in data set nor an existing path"),
        (__file__, "is not a source of images: pass a folder of images, a list of them"),
    ],
)
def test_names_that_are_none(name: str, text: str) -> None:
    with pytest.raises(UserError, match=text):
        load_dataset(name)


def test_a_path_that_is_nearly_one_is_told(tmp_path: Path) -> None:
    plain(tmp_path / "photos", 2)
    with pytest.raises(UserError, match=f"did you mean {tmp_path / 'photos'}\\?$"):
        load_dataset(str(tmp_path / "photo"))
    with pytest.raises(UserError, match="pass one of"):
        load_dataset(str(tmp_path / "sound"))


def test_a_folder_is_a_data_set(tmp_path: Path) -> None:
    plain(tmp_path / "photos", 12)
    (tmp_path / "photos" / "bad.png").touch()
    data = load_dataset(str(tmp_path / "photos"))
    assert isinstance(data.train, ImageFolder)
    assert (data.name, len(data.train), data.test) == ("photos", 12, None)
    assert data.mean == (0.485, 0.456, 0.406)
    assert data.train.skipped == ((str(tmp_path / "photos" / "bad.png"), "empty file"),)
    with pytest.raises(UserError, match="--max-corrupt"):
        load_dataset(str(tmp_path / "photos"), options=DataOptions(max_corrupt=0.0))


def test_split_is_stratified_seeded_and_complete() -> None:
    labels = torch.tensor([0] * 50 + [1] * 30 + [2] * 20 + [-1] * 7)[torch.randperm(107)]
    images = ImageTensor(torch.arange(107, dtype=torch.uint8).view(107, 1, 1, 1), labels, ("a", "b", "c"))
    rest, held = split(images, 0.2, seed=1)
    ids = [part.images.flatten().tolist() for part in (rest, held)]
    assert sorted(ids[0] + ids[1]) == list(range(107))
    assert ids == [sorted(ids[0]), sorted(ids[1])]
    assert len(held) == 21
    assert held.labels is not None
    assert torch.equal(held.labels, labels[held.images.flatten().long()])
    for label, count in ((0, 50), (1, 30), (2, 20), (-1, 7)):
        assert abs(int((held.labels == label).sum()) - 0.2 * count) < 1
    assert split(images, 0.2, seed=1)[1].images.flatten().tolist() == ids[1]
    assert split(images, 0.2, seed=2)[1].images.flatten().tolist() != ids[1]


def test_split_of_files_without_labels() -> None:
    images = ImageFolder(tuple(f"{i}.png" for i in range(10)), None, (), 3)
    rest, held = split(images, 0.3, seed=0)
    assert len(held) == 3
    assert sorted(rest.files + held.files) == sorted(images.files)
    assert held.labels is None
    with pytest.raises(UserError, match="These images have no labels: pass a folder with one subfolder per class"):
        labeled(images)


@pytest.mark.parametrize("fraction", [-0.1, 0.0, 0.01, 0.99, 1.0, float("nan")])
def test_split_that_leaves_nothing(fraction: float) -> None:
    images = ImageFolder(tuple(f"{i}.png" for i in range(10)), None, (), 3)
    with pytest.raises(UserError, match=f"A share of {fraction} of 10 images cannot be held out"):
        split(images, fraction, seed=0)


def test_split_keeps_the_last_image_of_a_class_and_holds_out_another_for_it() -> None:
    labels = torch.tensor([0] * 14 + [1, 2, 3, 4, 5, 6])
    for seed in range(5):
        rest, held = split(ImageTensor(torch.zeros(20, 1, 2, 2, dtype=torch.uint8), labels, ()), 0.5, seed)
        assert rest.labels is not None
        assert held.labels is not None
        assert torch.bincount(rest.labels).tolist() == [4] + [1] * 6
        assert held.labels.tolist() == [0] * 10
    alone = ImageTensor(torch.zeros(4, 1, 2, 2, dtype=torch.uint8), torch.arange(4), ())
    with pytest.raises(UserError, match="No class has two images"):
        split(alone, 0.5, seed=0)
    assert len(split(alone, 0.5, seed=0, by_class=False)[1]) == 2
