"""Data of one's own: tensors, arrays, lists, map-style data sets, Hugging Face's and torchvision's."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

import fullrank
from fullrank import recipes
from fullrank.data import DataOptions, load_dataset, plain_batches
from fullrank.data.identity import fingerprint
from fullrank.data.sources.objects import from_object
from fullrank.engine import RunOptions
from fullrank.errors import UserError
from fullrank.runs import read_json
from fullrank.training.fit import resume, start

N = 24
PIXELS = np.random.default_rng(0).integers(0, 256, (N, 12, 10, 3), dtype=np.uint8)
LABELS = [number % 3 for number in range(N)]


class Mine(torch.utils.data.Dataset[Any]):
    """A map-style data set of PIL images and labels."""

    def __len__(self) -> int:
        return N

    def __getitem__(self, row: int) -> tuple[Image.Image, int]:
        if row >= N:
            raise IndexError(row)
        return Image.fromarray(PIXELS[row]), LABELS[row]


class WithTargets(Mine):
    """The same, which knows its labels and its classes."""

    targets = LABELS
    classes = ("a", "b", "c")


def on_disk(folder: Path) -> str:
    """A data set of Hugging Face's in a folder."""
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"img": datasets.Image(), "y": datasets.ClassLabel(names=["a", "b", "c"])})
    rows = {"img": [Image.fromarray(one) for one in PIXELS], "y": LABELS}
    whole = datasets.Dataset.from_dict(rows, features=features)
    datasets.DatasetDict({"train": whole, "validation": whole.select(range(6))}).save_to_disk(str(folder))
    return f"hf:{folder}"


OBJECTS: dict[str, Callable[[], object]] = {
    "array": lambda: PIXELS,
    "array with labels": lambda: (PIXELS, np.array(LABELS)),
    "tensor": lambda: torch.from_numpy(PIXELS).permute(0, 3, 1, 2),
    "floats": lambda: torch.from_numpy(PIXELS).permute(0, 3, 1, 2) / 255,
    "list of pictures": lambda: [Image.fromarray(one) for one in PIXELS],
    "list of tensors": lambda: [torch.from_numpy(one).permute(2, 0, 1) for one in PIXELS],
    "data set": Mine,
    "data set with targets": WithTargets,
}


@pytest.mark.parametrize("name", OBJECTS)
def test_every_object_has_the_same_pixels(name: str) -> None:
    data = from_object(OBJECTS[name](), DataOptions())
    assert (len(data.train), data.train.channels) == (N, 3)
    if not hasattr(data.train, "images"):
        assert (np.asarray(data.train.open(3)) == PIXELS[3]).all()
    assert torch.cat(list(plain_batches(data.train, size=8))).shape == (N, 3, 8, 8)
    labeled = name in ("array with labels", "data set", "data set with targets")
    assert (data.train.labels is not None) == labeled
    if data.train.labels is not None:
        assert data.train.labels.tolist() == LABELS
        assert data.train.classes == (("a", "b", "c") if "targets" in name else ("0", "1", "2"))


def test_labels_of_a_data_set_that_knows_them_cost_no_image() -> None:
    read: list[int] = []

    class Counted(WithTargets):
        def __getitem__(self, row: int) -> tuple[Image.Image, int]:
            read.append(row)
            return super().__getitem__(row)

        def __len__(self) -> int:
            return 5000

        targets = [0, 1] * 2500

    class Many(Counted):
        def __getitem__(self, row: int) -> tuple[Image.Image, int]:
            return super().__getitem__(row % N)

    data = from_object(Many(), DataOptions())
    assert len(data.train) == 5000
    assert len(read) == 512  # for the channels, and for mean and standard deviation


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (iter([1]), "has no images by index"),
        ([torch.full((3, 4, 4), 7.0)] * 2, r"floats have no range of their own beyond \[0, 1\]: pass --range"),
        ([Image.new("L", (4, 4))], r"holds 1 image\(s\), training needs at least 2"),
        ([object(), object()], "Item 0 of the data cannot be read .a object is not an image: give PIL images"),
        ([{"a": 1}, {"a": 2}], "an item has a and no single image"),
        (np.zeros((4, 5)), "images have shape"),
    ],
)
def test_objects_that_are_no_images(data: object, text: str) -> None:
    with pytest.raises(UserError, match=text):
        from_object(data, DataOptions())


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
    pictures = [Image.fromarray(one) for one in PIXELS]
    datasets.Dataset.from_dict({"a": pictures, "b": pictures}, features=features).save_to_disk(str(tmp_path / "two"))
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


def pictures(folder: Path, *names: str) -> None:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(PIXELS[number]).save(folder / name)


def sst2(root: Path) -> None:
    for split in ("train", "valid", "test"):
        pictures(
            root / "rendered-sst2" / split, *(f"{kind}/{at}.png" for kind in ("negative", "positive") for at in "ab")
        )


def pets(root: Path) -> None:
    names = [f"{kind}_{at}" for kind in ("beagle", "pug") for at in range(3)]
    base = root / "oxford-iiit-pet"
    pictures(base / "images", *(f"{name}.jpg" for name in names))
    (base / "annotations").mkdir()
    for split, some in (("trainval", names[:2] + names[3:5]), ("test", names[2::3])):
        lines = [f"{name} {1 + name.startswith('pug')} 1 1" for name in some]
        (base / "annotations" / f"{split}.txt").write_text("\n".join(lines), encoding="utf-8")


def eurosat(root: Path) -> None:
    pictures(root / "eurosat" / "2750", *(f"{kind}/{at}.jpg" for kind in ("Forest", "River") for at in "ab"))


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


def rows(run: Path) -> list[Any]:
    from fullrank.runs import read_rows

    return [{k: v for k, v in row.items() if k != "seconds"} for row in read_rows(run / "metrics.jsonl")]


@pytest.mark.parametrize("name", ["tensor", "list of pictures", "data set", "hf"])
def test_a_stopped_training_on_them_is_resumed_exactly(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = None if name == "hf" else OBJECTS[name]()
    place = on_disk(tmp_path / "set") if name == "hf" else "object:mine"
    recipe: Any = recipes.load("intl")(
        data=place, image_size=8, batch_size=8, steps=6, epochs=1.0, lr=0.01, warmup_epochs=0.1, projector=(16, 8)
    )
    options = RunOptions(monitor_every=3, checkpoint_every=3, probe=8, workers=0)
    console = Console(file=io.StringIO())

    def begin(run: str) -> Path:
        from dataclasses import replace

        return start("intl", recipe, replace(options, out=tmp_path / run), console, data=data)[0]

    whole = begin("whole")
    from fullrank.engine.checkpoint import Checkpoint

    real = Checkpoint.on_train_batch_end

    def stop(self: Checkpoint, trainer: Any, *rest: Any) -> None:
        real(self, trainer, *rest)
        if trainer.global_step == 4:
            self.ask_to_stop()

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "on_train_batch_end", stop)
        half = begin("half")
    assert not (half / "result.json").exists()
    assert resume(half, recipe, options, console, data=data)
    assert rows(half) == rows(whole)
    assert (half / "encoder.safetensors").read_bytes() == (whole / "encoder.safetensors").read_bytes()


def test_from_python(tmp_path: Path) -> None:
    flags: dict[str, Any] = {
        "image_size": 8,
        "batch_size": 8,
        "steps": 2,
        "projector": (16, 8),
        "probe": 8,
        "workers": 0,
    }
    run = fullrank.train("intl", data=Mine(), out=tmp_path / "run", **flags)
    config = read_json(run.path / "config.json")
    assert config["settings"]["data"].startswith("object:")
    assert config["data"]["fingerprint"]["images"] == N
    (run.path / "result.json").unlink()
    with pytest.raises(UserError, match=r"were an object .*: pass it again, as data= from Python"):
        fullrank.resume(run.path)
    with pytest.raises(UserError, match="holds other images than"):
        fullrank.resume(run.path, data=[Image.fromarray(one) for one in PIXELS[::-1]])
    assert fullrank.resume(run.path, data=Mine()).result is not None
    files = []
    for number, one in enumerate(PIXELS):
        files.append(tmp_path / f"{number}.png")
        Image.fromarray(one).save(files[-1])
    assert fullrank.train("intl", data=files, out=tmp_path / "files", **flags).result is not None


def test_objects_are_scored_on(tmp_path: Path) -> None:
    """The same images as an object and as a file get the same score."""
    flags: dict[str, Any] = {
        "image_size": 8,
        "batch_size": 8,
        "steps": 2,
        "projector": (16, 8),
        "probe": 8,
        "workers": 0,
    }
    run = fullrank.train("intl", data=PIXELS, out=tmp_path / "run", **flags)
    with pytest.raises(UserError, match=r"were an object .*: pass it again, as data= from Python"):
        fullrank.evaluate(run)
    np.savez(tmp_path / "same.npz", images=PIXELS, labels=LABELS)
    pictures(tmp_path, *(f"{at}.png" for at in range(N)))
    lines = [f"{at}.png,{label}" for at, label in enumerate(LABELS)]
    (tmp_path / "same.csv").write_text("\n".join(["path,label", *lines]), encoding="utf-8")
    pair = (PIXELS, np.array(LABELS))
    ways: list[tuple[str, object]] = [("npz", pair), ("npz", from_object(pair, DataOptions())), ("csv", Mine())]
    for ending, data in ways:
        expected, found = (fullrank.evaluate(run, data=each, k=3) for each in (tmp_path / f"same.{ending}", data))
        assert (found["knn"], found["linear"]) == (expected["knn"], expected["linear"])
    with pytest.raises(UserError, match="have no labels"):
        fullrank.evaluate(run, data=torch.from_numpy(PIXELS).permute(0, 3, 1, 2))
