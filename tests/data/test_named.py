"""Data sets by name: Hugging Face's and torchvision's, read by the libraries themselves from files that are here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

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
    import torchvision

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


def test_a_set_of_torchvision_that_needs_more_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="torchvision:EMNIST needs more than a folder and a split: make it in Python"):
        load_dataset("torchvision:EMNIST", root=tmp_path)


def test_a_name_of_hugging_face_is_read_by_its_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's own data set object behind its own function's name and arguments; its network is not there."""
    datasets = pytest.importorskip("datasets")
    place = on_disk(tmp_path / "set").removeprefix("hf:")
    asked: list[tuple[str, bool]] = []

    def load(name: str, *, download_config: Any) -> Any:
        asked.append((name, download_config.local_files_only))
        return datasets.load_from_disk(place)

    monkeypatch.setattr(datasets, "load_dataset", load)
    for download in (False, True):
        data = load_dataset("hf:org/pets", options=DataOptions(download=download))
        assert data.inventory().line().startswith("pets: 24 images, 3 classes (a, b, ...), 6 test images")
    assert asked == [("org/pets", True), ("org/pets", False)]


def test_a_name_of_hugging_face_that_is_not_here_is_not_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("datasets")
    with pytest.raises(UserError, match=r"hf:org/no-such-set cannot be read \(.*\): pass --download, or hf:PATH"):
        load_dataset("hf:org/no-such-set")
