"""COCO JSON: what is understood, what is counted, what is refused in one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from fullrank.detection.annotations import Annotations, Runs, read_annotations
from fullrank.detection.annotations.masks import drawn, packed, read_mask, unpack, unpacked
from fullrank.detection.predict import as_results
from fullrank.detection.scores import Found
from fullrank.errors import UserError
from tests.detection.sets import changed, coco


def read(path: Path, **options: Any) -> Annotations:
    return read_annotations([path], **options)


def first(**changes: Any) -> Callable[[list[dict[str, Any]]], list[dict[str, Any]]]:
    return lambda entries: [entries[0] | changes, *entries[1:]]


def test_a_set_is_read_with_its_classes_and_boxes(tmp_path: Path) -> None:
    found = read(coco(tmp_path, "train", 3))
    assert found.line() == (
        f"{tmp_path}/train.json (COCO): 3 images, 6 boxes of 2 classes; images in {tmp_path}/train."
    )
    assert found.classes == ("square", "ball")
    content = json.loads((tmp_path / "train.json").read_text())
    left, top, width, height = content["annotations"][0]["bbox"]
    assert found.images[0].things[0].box == (left, top, left + width, top + height)
    assert found.images[0].things[0].mask is None


def test_images_are_found_as_coco_lays_them_out(tmp_path: Path) -> None:
    coco(tmp_path, "val2017", 1)
    (tmp_path / "annotations").mkdir()
    moved = (tmp_path / "val2017.json").rename(tmp_path / "annotations" / "instances_val2017.json")
    assert read(moved).images[0].path == tmp_path / "val2017" / "0.png"
    with pytest.raises(UserError, match="pass their folder as --train-images"):
        read(moved, images=tmp_path / "annotations")


@pytest.mark.parametrize(
    ("box", "left", "said"),
    [
        ([-20, 5, 30, 10], (0.0, 5.0, 10.0, 15.0), "1 boxes clipped to their image"),
        ([60, 60, 4.5, 4.5], (60.0, 60.0, 64.0, 64.0), ""),
        ([70, 5, 10, 10], None, "1 boxes outside their image left out"),
        ([5, 5, 0, 10], None, "1 boxes without area left out"),
        ([5, 5, 10, -3], None, "1 boxes without area left out"),
    ],
)
def test_boxes_stay_inside_of_their_image_and_what_is_changed_is_counted(
    box: list[float], left: tuple[float, ...] | None, said: str, tmp_path: Path
) -> None:
    found = read(changed(coco(tmp_path, "train", 1), annotations=first(bbox=box)))
    boxes = [thing.box for thing in found.images[0].things]
    assert len(boxes) == (1 if left is None else 2)
    assert left is None or boxes[0] == left
    assert said in found.line()
    assert bool(found.about()["counted"]) is bool(said)


def test_images_without_boxes_are_kept_and_classes_without_boxes_named(tmp_path: Path) -> None:
    path = changed(coco(tmp_path, "train", 2), annotations=lambda entries: entries[:1])
    found = read(path)
    assert [len(one.things) for one in found.images] == [1, 0]
    assert "1 images without a box; no box of ball." in found.line()


def test_files_that_are_missing_broken_or_of_another_size_are_counted(tmp_path: Path) -> None:
    path = coco(tmp_path, "train", 4)
    (tmp_path / "train" / "1.png").unlink()
    (tmp_path / "train" / "2.png").write_bytes(b"no image")
    Image.new("RGB", (32, 64)).save(tmp_path / "train" / "3.png")
    found = read(path)
    assert len(found.images) == 1
    for what in ("file is missing", "cannot be read", "have another size than their annotations say"):
        assert what in found.line()


def test_a_photograph_on_its_side_has_the_size_that_is_seen(tmp_path: Path) -> None:
    path = changed(coco(tmp_path, "train", 1), images=first(file_name="0.jpg", width=64, height=48))
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (48, 64)).save(tmp_path / "train" / "0.jpg", exif=exif)
    assert (read(path).images[0].width, read(path).images[0].height) == (64, 48)


def test_crowds_are_counted_and_strays_left_out(tmp_path: Path) -> None:
    path = coco(tmp_path, "train", 1)
    runs = {"size": [64, 64], "counts": [64, 64, 63 * 64 - 64]}
    found = read(changed(path, annotations=first(iscrowd=1, segmentation=runs)), masks=True)
    assert [thing.crowd for thing in found.images[0].things] == [True, False]
    assert "1 crowds, which are not trained on" in found.line()
    assert "their image is not listed" in read(changed(path, annotations=first(image_id=9))).line()


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        ({"size": [10, 10], "counts": [0, 100]}, "another size than their image"),
        ([], "without a mask left out"),
        (None, "without a mask left out"),
    ],
)
def test_masks_that_cannot_be_trained_on_are_counted(mask: object, said: str, tmp_path: Path) -> None:
    path = changed(coco(tmp_path, "train", 1), annotations=first(segmentation=mask))
    assert said in read(path, masks=True).line()
    assert said not in read(path).line()


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("annotations", first(bbox=[1, 2, 3]), "annotation 0: its bbox is [1, 2, 3], not 4 finite numbers"),
        ("annotations", first(bbox=[1, 2, 3, float("nan")]), "not 4 finite numbers"),
        ("annotations", first(bbox="0 0 1 1"), "not 4 finite numbers"),
        ("annotations", first(category_id=7), "has the category 7, which is not listed"),
        ("annotations", first(category_id=[7]), "has the category [7], which is not listed"),
        ("annotations", lambda _: [3], "has an annotation that is not an object (3)"),
        ("annotations", first(segmentation=[[1, 2, 3]]), "not 3 or more pairs"),
        ("annotations", first(segmentation="x"), "neither polygons nor run lengths"),
        ("annotations", first(segmentation={"size": [64, 64], "counts": [5, 5]}), "do not add up to 64 x 64"),
        ("annotations", first(segmentation={"size": [64, 64], "counts": "o"}), "do not add up to 64 x 64"),
        ("annotations", first(segmentation={"size": "64", "counts": [5]}), "not height and width"),
        ("annotations", lambda _: "none", "has no list of annotations"),
        ("categories", lambda _: [], "has no category"),
        ("categories", first(id=2), "two categories with the id 2"),
        ("categories", first(name=3), "without a whole id and a name"),
        ("images", lambda _: [], "lists no image"),
        ("images", first(id=1), "two images with the id 1"),
        ("images", first(file_name=None), "without id and file_name"),
        ("images", first(file_name="../train/0.png"), "leaves its folder"),
    ],
)
def test_a_wrong_file_is_one_sentence(name: str, change: Any, said: str, tmp_path: Path) -> None:
    path = changed(coco(tmp_path, "train", 2), **{name: change})
    with pytest.raises(UserError) as caught:
        read(path, masks=True)
    assert said in str(caught.value)
    assert str(caught.value).count(". ") == 0


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "[]", "7", '{"images": []}', '{"images": 3}'])
def test_what_is_not_coco_is_one_sentence(text: str, tmp_path: Path) -> None:
    (tmp_path / "train.json").write_text(text)
    with pytest.raises(UserError, match=r"train\.json (is not valid JSON|is a list|has no list of)"):
        read(tmp_path / "train.json")


def test_the_classes_of_another_set_are_matched_by_name(tmp_path: Path) -> None:
    train = read(coco(tmp_path, "train", 1))
    path = coco(tmp_path, "val", 1)
    changed(path, categories=[{"id": 1, "name": "ball"}, {"id": 2, "name": "square"}])
    assert [thing.label for thing in read(path, like=train).images[0].things] == [1, 0]
    changed(path, categories=[{"id": 1, "name": "cat"}, {"id": 2, "name": "square"}])
    with pytest.raises(UserError, match="--val has the class cat, which the training has not"):
        read(path, like=train, flag="val")


def numbered(**ids: int) -> list[dict[str, Any]]:
    return [{"id": number, "name": name} for name, number in ids.items()]


@pytest.mark.parametrize(
    ("kept", "numbers"),
    [
        ({"ball": 1, "square": 2}, (2, 1)),
        ({"ball": 7, "square": 40}, (40, 7)),
        ({"ball": 5}, (1, 5)),  # a class that the file lacks keeps its number,
        ({"ball": 1}, (3, 1)),  # unless the file has given it to another
    ],
)
def test_predictions_number_the_classes_as_the_file_that_is_scored(
    kept: dict[str, int], numbers: tuple[int, ...], tmp_path: Path
) -> None:
    train = read(coco(tmp_path, "train", 1))
    path = changed(coco(tmp_path, "val", 1), categories=numbered(**kept))
    val = read(changed(path, annotations=lambda entries: [entries[0] | {"category_id": kept["ball"]}]), like=train)
    assert (val.classes, val.ids) == (("square", "ball"), numbers)
    thing = val.images[0].things[0]
    found = Found(torch.tensor([thing.box]), torch.tensor([0.9]), torch.tensor([thing.label]))
    assert [one["category_id"] for one in as_results([found], val)] == [kept["ball"]]


@pytest.mark.parametrize(
    ("kept", "said"), [({"ball": 2, "square": 1}, ""), ({"ball": 1}, "ball as 1"), ({"square": 4}, "square as 4")]
)
def test_files_that_number_their_classes_otherwise_are_no_set_to_score_on(
    kept: dict[str, int], said: str, tmp_path: Path
) -> None:
    paths = [coco(tmp_path, name, 1) for name in ("val", "other")]
    changed(paths[1], categories=numbered(**kept), annotations=[], images=first(id=7))
    train = read(paths[0])
    if not said:
        assert read_annotations(paths, like=train).ids == train.ids
        return
    with pytest.raises(UserError, match=rf"other\.json has the class {said}, which the other files of"):
        read_annotations(paths, like=train, flag="val")
    assert read_annotations(paths).classes == ("square", "ball")  # to train on it is one, since names are what counts


def test_the_ending_of_a_file_may_have_capital_letters(tmp_path: Path) -> None:
    path = coco(tmp_path, "train", 1)
    assert len(read(path.rename(tmp_path / "train.JSON")).images) == 1


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # of pycocotools with numpy 2
def test_masks_are_the_pixels_that_pycocotools_draws() -> None:
    tools = pytest.importorskip("pycocotools.mask")
    polygon = [[3.0, 4.0, 30.5, 8.0, 20.0, 28.25]]
    mask = read_mask(polygon, "mask")
    assert mask is not None
    theirs = tools.decode(tools.merge(tools.frPyObjects(polygon, 32, 40))).astype(bool)
    np.testing.assert_array_equal(drawn(mask, 32, 40), theirs)
    code = tools.encode(np.asfortranarray(theirs.astype(np.uint8)))
    assert packed(theirs) == {"size": [32, 40], "counts": code["counts"].decode()}
    np.testing.assert_array_equal(unpacked(packed(theirs)), theirs)
    runs = read_mask(packed(theirs), "mask")
    assert isinstance(runs, Runs)
    np.testing.assert_array_equal(drawn(runs, 32, 40), theirs)
    np.testing.assert_array_equal(drawn(runs, 64, 80), theirs.repeat(2, 0).repeat(2, 1))


def test_compressed_run_lengths_are_those_of_pycocotools() -> None:
    tools = pytest.importorskip("pycocotools.mask")
    for seed in range(20):
        random = np.random.default_rng(seed)
        pixels = (random.random((random.integers(1, 300), random.integers(1, 300))) < random.random()).astype(np.uint8)
        flat = pixels.T.reshape(-1)
        edges = np.flatnonzero(np.diff(flat, prepend=0))
        lengths = np.diff([0, *edges, len(flat)]).tolist()
        assert unpack(tools.encode(np.asfortranarray(pixels))["counts"].decode()) == lengths


def test_images_of_one_id_are_no_set_to_score_on(tmp_path: Path) -> None:
    paths = [coco(tmp_path, name, 2) for name in ("val", "other")]
    train = read_annotations(paths)  # which makes no predictions
    with pytest.raises(
        UserError, match=r"--val has two images of the id 0 \(.*/val/0\.png and .*/other/0\.png\), which"
    ):
        read_annotations(paths, like=train, flag="val")
    with pytest.raises(UserError, match="--val has two images of the id 0"):
        read_annotations([paths[0], paths[0]], like=train, flag="val")
