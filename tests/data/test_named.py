"""Data sets by name: Hugging Face's and torchvision's, read by the libraries themselves from files that are here."""

from __future__ import annotations

import hashlib
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from scipy.io import savemat

from fullrank.data import DataOptions, load_dataset, plain_batches
from fullrank.data.identity import fingerprint
from fullrank.errors import UserError
from tests.data.test_objects import LABELS, PIXELS, N, WithTargets, on_disk, some_images


def test_hugging_face_from_disk(tmp_path: Path) -> None:
    place = on_disk(tmp_path / "set")
    data = load_dataset(place)
    assert data.inventory().line() == (
        "set: 24 images, 3 classes (a, b, ...), 6 test images; trained on train, tested on validation; images of img, "
        "labels of y"
    )
    assert data.test is not None
    assert data.train.labels is not None
    assert data.train.labels.tolist() == LABELS
    assert fingerprint(data.train) == fingerprint(load_dataset(place).train)
    assert load_dataset(place, options=DataOptions(split="validation")).test is None
    assert load_dataset(place, options=DataOptions(columns="img")).train.labels is None
    for options, text in (
        (DataOptions(split="x"), "has no x, only train, validation"),
        (DataOptions(columns="z"), "has no z, only img, y"),
    ):
        with pytest.raises(UserError, match=text):
            load_dataset(place, options=options)


def test_hugging_face_asks_where_columns_are_ambiguous(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"a": datasets.Image(), "b": datasets.Image()})
    images = [Image.fromarray(one) for one in PIXELS]
    datasets.Dataset.from_dict({"a": images, "b": images}, features=features).save_to_disk(str(tmp_path / "two"))
    with pytest.raises(UserError, match=r"has the columns a \(Image\), b \(Image\): pass --columns IMAGE or"):
        load_dataset(f"hf:{tmp_path / 'two'}")
    assert len(load_dataset(f"hf:{tmp_path / 'two'}", options=DataOptions(columns="b")).train) == N


def test_nothing_is_downloaded_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"torchvision:FashionMNIST cannot be read from .* pass --download"):
        load_dataset("torchvision:FashionMNIST", root=tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UserError, match=r"torchvision:CIFAR10 needs a folder .* pass --data-root"):
        load_dataset("torchvision:CIFAR10")
    with pytest.raises(UserError, match="torchvision has no data set Flowers10: did you mean Flowers102"):
        load_dataset("torchvision:Flowers10", root=tmp_path)
    asked: list[Any] = []

    class Fake(WithTargets):
        def __init__(self, root: Path, split: str = "train", download: bool = False) -> None:
            asked.append((split, download))

    monkeypatch.setattr(torchvision.datasets, "Flowers102", Fake)
    data = load_dataset("torchvision:Flowers102", root=tmp_path, options=DataOptions(download=True))
    assert (len(data.train), data.train.classes) == (N, ("a", "b", "c"))
    assert data.test is not None
    assert asked == [("train", True), ("test", True)]


def sst2(root: Path) -> None:
    for split in ("train", "valid", "test"):
        some_images(
            root / "rendered-sst2" / split, *(f"{kind}/{at}.png" for kind in ("negative", "positive") for at in "ab")
        )


def pets(root: Path) -> None:
    names = [f"{kind}_{at}" for kind in ("beagle", "pug") for at in range(3)]
    base = root / "oxford-iiit-pet"
    some_images(base / "images", *(f"{name}.jpg" for name in names))
    (base / "annotations").mkdir()
    for split, some in (("trainval", names[:2] + names[3:5]), ("test", names[2::3])):
        lines = [f"{name} {1 + name.startswith('pug')} 1 1" for name in some]
        (base / "annotations" / f"{split}.txt").write_text("\n".join(lines), encoding="utf-8")


def eurosat(root: Path) -> None:
    some_images(root / "eurosat" / "2750", *(f"{kind}/{at}.jpg" for kind in ("Forest", "River") for at in "ab"))


def imagenette(root: Path) -> None:
    for split in ("train", "val"):
        names = (f"{kind}/{at}.JPEG" for kind in ("n01440764", "n02102040") for at in "ab")
        some_images(root / "imagenette2" / split, *names)


@pytest.mark.parametrize(
    ("name", "make", "line"),
    [
        (
            "RenderedSST2",
            sst2,
            "4 images, 2 classes (negative, positive), 4 test images; trained on split=train; tested",
        ),
        (
            "OxfordIIITPet",
            pets,
            "4 images, 2 classes (Beagle, Pug), 2 test images; trained on split=trainval; tested on",
        ),
        ("EuroSAT", eurosat, "4 images, 2 classes (Forest, River), no test set"),
        (
            "Imagenette",
            imagenette,
            "4 images, 2 classes (tench, Tinca tinca, English springer, English springer spaniel), 4 test images",
        ),
    ],
)
def test_sets_of_torchvision_are_read_by_its_own_classes(
    tmp_path: Path, name: str, make: Callable[[Path], None], line: str
) -> None:
    """Files made here in the layout that torchvision reads: nothing is downloaded, and its code is the real one."""
    make(tmp_path)
    data = load_dataset(f"torchvision:{name}", root=tmp_path)
    assert data.inventory().line().startswith(f"{name}: {line}")
    assert data.train.labels is not None
    assert data.train.labels.tolist() == [0, 0, 1, 1]
    assert torch.cat(list(plain_batches(data.train, size=8))).shape == (4, 3, 8, 8)


def md5(file: Path) -> str:
    return hashlib.md5(file.read_bytes()).hexdigest()


def cifar(root: Path, patch: pytest.MonkeyPatch) -> None:
    """CIFAR-10's batches of four images each; torchvision knows those of the world by their MD5, and here these."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir()
    some = {"data": np.resize(PIXELS, (4, 3072)), "labels": [3, 0, 1, 2]}
    batches = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    for name in batches:
        (folder / name).write_bytes(pickle.dumps(some))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": [*"abcdefghij"]}))
    known = [[name, md5(folder / name)] for name in batches]
    meta = {"filename": "batches.meta", "key": "label_names", "md5": md5(folder / "batches.meta")}
    for attribute, value in (("train_list", known[:5]), ("test_list", known[5:]), ("meta", meta)):
        patch.setattr(torchvision.datasets.CIFAR10, attribute, value)


def flowers(root: Path, patch: pytest.MonkeyPatch) -> None:
    """Flowers-102's folder of images, with its labels and splits in files of MATLAB."""
    folder = root / "flowers-102"
    some_images(folder / "jpg", *(f"image_{number:05d}.jpg" for number in range(1, 7)))
    savemat(folder / "imagelabels.mat", {"labels": np.array([[1, 1, 2, 2, 102, 102]])})
    savemat(folder / "setid.mat", {"trnid": np.array([[1, 3, 5]]), "tstid": np.array([[2, 4, 6]])})
    files = {"label": "imagelabels.mat", "setid": "setid.mat"}
    known = {kind: (name, md5(folder / name)) for kind, name in files.items()} | {"image": ("102flowers.tgz", "")}
    patch.setattr(torchvision.datasets.Flowers102, "_file_dict", known)


@pytest.mark.parametrize(
    ("name", "make", "line", "labels"),
    [
        ("torchvision:CIFAR10", cifar, "CIFAR10: 20 images, 10 classes (a, b, ...), 4 test images", 5 * [3, 0, 1, 2]),
        ("cifar10", cifar, "cifar10: 20 images, 10 classes (a, b, ...), 4 test images", 5 * [3, 0, 1, 2]),
        ("torchvision:Flowers102", flowers, "Flowers102: 3 images, 102 classes (pink primrose, ", [0, 1, 101]),
    ],
)
def test_sets_that_torchvision_knows_by_their_checksums_are_read_where_these_are_right(
    name: str, make: Any, line: str, labels: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, monkeypatch)
    data = load_dataset(name, root=tmp_path)
    assert data.inventory().line().startswith(line)
    assert data.train.labels is not None
    assert data.train.labels.tolist() == labels
    assert torch.cat(list(plain_batches(data.train, size=8))).shape == (len(labels), 3, 8, 8)
    for file in [*tmp_path.rglob("data_batch_1"), *tmp_path.rglob("setid.mat")]:
        file.write_bytes(file.read_bytes()[:-1] + b"!")
    with pytest.raises(UserError, match=r"corrupted|damaged"):
        load_dataset(name, root=tmp_path)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("EMNIST", r"torchvision:EMNIST cannot be made of a folder and a split \(.*split.*\): make it in Python"),
        ("FakeData", "torchvision:FakeData cannot be made of a folder and a split: make it in Python, and pass it"),
        ("VisionDataset", "torchvision has no data set VisionDataset: did you mean"),
        ("LSUN", r"torchvision:LSUN needs a package \(.*lmdb.*\): install it with pip"),
        ("KittiFlow", r"cannot be read from .*: put its files there, or pass another --data-root"),
        ("Food101", r"cannot be read from .*: pass --download, or pass another --data-root"),
    ],
)
def test_a_set_of_torchvision_that_cannot_be_made_is_one_sentence(
    name: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lmdb", None)
    with pytest.raises(UserError, match=sentence):
        load_dataset(f"torchvision:{name}", root=tmp_path)
