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
from fullrank.data import DataOptions, plain_batches
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


class Streamed(torch.utils.data.IterableDataset[Any]):
    """What can only be gone through, as WebDataset's are: exact resume needs images by index."""

    def __iter__(self) -> Any:
        return iter(PIXELS)


class Broken(Mine):
    """One that cannot be read at one place."""

    def __getitem__(self, row: int) -> tuple[Image.Image, int]:
        if row == 3:
            raise OSError("disk")
        return super().__getitem__(row)


GRAY = torch.zeros(1, 8, 8, dtype=torch.uint8)


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
    "list of images": lambda: [Image.fromarray(one) for one in PIXELS],
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
        (Streamed(), "A Streamed has no images by index: pass a path, a tensor"),
        ([torch.full((3, 4, 4), 7.0)] * 2, r"floats have no range of their own beyond \[0, 1\]: pass --range"),
        ([], "The data set holds no images: add images."),
        ([Image.new("L", (4, 4))], "list holds one image, and training needs at least 2"),
        ([object(), object()], "Item 0 of the data cannot be read .a object is not an image: give PIL images"),
        ([{"a": 1}, {"a": 2}], "an item has a and no single image"),
        (np.zeros((4, 5)), "images have shape"),
        ([np.zeros((8, 16, 12), np.uint8)] * 2, "channels first or last: pass --channels 8 or --channels 12"),
        ([(GRAY, torch.zeros(40))] * 2, "is a Tensor, .*: give one label per image, or pass --labels none"),
        ([(GRAY, GRAY)] * 2, "the label of item 0 is a Tensor, and not one number or string"),
        ([(GRAY, [1]), (GRAY, [1, 2])], "the label of item 0 is a list, and not one number or string"),
        ([(GRAY, 1), (GRAY, None)], "the label of item 1 is a NoneType, and not one number or string"),
        ((torch.zeros(2, 8, 8), [[1], [1, 2]]), "tuple: the label of item 0 is a list"),
        (Broken(), "^Item 3 of the data cannot be read .disk.: repair or remove it.$"),
    ],
)
def test_objects_that_are_no_images(data: object, text: str) -> None:
    with pytest.raises(UserError, match=text):
        from_object(data, DataOptions())


def some_images(folder: Path, *names: str) -> None:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(PIXELS[number]).save(folder / name)


def rows(run: Path) -> list[Any]:
    from fullrank.runs import read_rows

    times = ("seconds", "images_per_second")
    return [{k: v for k, v in row.items() if k not in times} for row in read_rows(run / "metrics.jsonl")]


@pytest.mark.parametrize("name", ["tensor", "list of images", "data set", "hf"])
@pytest.mark.slow
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


TINY: dict[str, Any] = {"image_size": 8, "batch_size": 8, "steps": 2, "projector": (16, 8), "probe": 8, "workers": 0}


@pytest.mark.slow
def test_from_python(tmp_path: Path) -> None:
    run = fullrank.train("intl", data=Mine(), out=tmp_path / "run", **TINY)
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
    assert fullrank.train("intl", data=files, out=tmp_path / "files", **TINY).result is not None


@pytest.mark.slow
def test_objects_are_scored_on(tmp_path: Path) -> None:
    """The same images as an object and as a file get the same score."""
    run = fullrank.train("intl", data=PIXELS, out=tmp_path / "run", **TINY)
    with pytest.raises(UserError, match=r"were an object .*: pass it again, as data= from Python"):
        fullrank.evaluate(run)
    np.savez(tmp_path / "same.npz", images=PIXELS, labels=LABELS)
    some_images(tmp_path, *(f"{at}.png" for at in range(N)))
    lines = [f"{at}.png,{label}" for at, label in enumerate(LABELS)]
    (tmp_path / "same.csv").write_text("\n".join(["path,label", *lines]), encoding="utf-8")
    pair = (PIXELS, np.array(LABELS))
    ways: list[tuple[str, object]] = [("npz", pair), ("npz", from_object(pair, DataOptions())), ("csv", Mine())]
    for ending, data in ways:
        expected, found = (fullrank.evaluate(run, data=each, k=3) for each in (tmp_path / f"same.{ending}", data))
        assert (found["knn"], found["linear"]) == (expected["knn"], expected["linear"])
    with pytest.raises(UserError, match="have no labels"):
        fullrank.evaluate(run, data=torch.from_numpy(PIXELS).permute(0, 3, 1, 2))
