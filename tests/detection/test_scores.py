"""Average precision: COCO's against pycocotools, VOC's against its procedure written out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fullrank.detection.annotations import AnnotatedImage, Thing
from fullrank.detection.annotations.masks import packed, read_mask
from fullrank.detection.scores import Found, coco_scores, voc_average, voc_scores
from tests.detection.sets import image

CLASSES = 3


def ellipse(box: tuple[float, ...], side: int = 160) -> Any:
    rows, columns = np.mgrid[:side, :side] + 0.5
    x, y, w, h = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, box[2] - box[0], box[3] - box[1]
    return ((columns - x) / w) ** 2 + ((rows - y) / h) ** 2 <= 0.25


def random_set(seed: int, images: int = 12) -> tuple[list[Found], list[AnnotatedImage]]:
    """Images with objects of all sizes, some of them crowds, and detections around them and elsewhere."""
    random = np.random.default_rng(seed)
    found, shown = [], []
    for number in range(images):
        things, boxes, labels = [], [], []
        for _ in range(int(random.integers(0, 6))):
            size = random.uniform(8, 120, 2)
            corner = random.uniform(0, 160 - size)
            box = tuple(float(value) for value in (*corner, *(corner + size)))
            label, pixels = int(random.integers(CLASSES - 1)), ellipse(box)
            mask = read_mask(packed(pixels), "mask")
            things.append(Thing(box, label, float(pixels.sum()), crowd=bool(random.random() < 0.15), mask=mask))  # type: ignore[arg-type]
            for _ in range(int(random.integers(0, 3))):
                boxes.append(np.clip(np.array(box) + random.normal(0, size.mean() / 10, 4), 0, 160))
                labels.append(label if random.random() < 0.8 else int(random.integers(CLASSES)))
        boxes.append(np.array([5.0, 5.0, 60.0, 70.0]))
        labels.append(0)
        array = np.stack(boxes).astype(np.float32)
        array[:, 2:] = np.maximum(array[:, 2:], array[:, :2] + 2)
        scores = torch.from_numpy(random.permutation(len(labels)).astype(np.float32) / len(labels))
        masks = [packed(ellipse(tuple(box))) for box in array]
        found.append(Found(torch.from_numpy(array), scores, torch.tensor(labels), masks))
        shown.append(AnnotatedImage(Path("x.png"), number, 160, 160, tuple(things)))
    return found, shown


def by_pycocotools(found: list[Found], images: list[AnnotatedImage], kind: str) -> list[float]:
    """COCO's twelve numbers, from the JSON that its own library reads."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for one, seen in zip(images, found, strict=True):
        for thing in one.things:
            left, top, right, bottom = thing.box
            assert thing.mask is not None
            runs = {"size": [160, 160], "counts": thing.mask.lengths.tolist()}  # type: ignore[union-attr]
            truth.append({"id": len(truth) + 1, "image_id": one.id, "category_id": thing.label, "area": thing.area,
                          "bbox": [left, top, right - left, bottom - top], "iscrowd": int(thing.crowd),
                          "segmentation": runs})  # fmt: skip
        columns = (seen.boxes.tolist(), seen.scores.tolist(), seen.labels.tolist(), seen.masks or [])
        for box, score, label, mask in zip(*columns, strict=True):
            corner = (
                {"bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]]}
                if kind == "bbox"
                else {"segmentation": mask}
            )
            results.append({"image_id": one.id, "category_id": label, "score": score, **corner})
    coco = COCO()
    entries = [{"id": one.id, "width": 160, "height": 160} for one in images]
    coco.dataset = {"images": entries, "annotations": truth, "categories": [{"id": at} for at in range(CLASSES)]}
    coco.createIndex()
    judge = COCOeval(coco, coco.loadRes(results), kind)
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    return [float(value) for value in judge.stats]


@pytest.mark.parametrize("seed", range(3))
def test_coco_scores_agree_with_pycocotools_on_random_predictions(seed: int) -> None:
    found, images = random_set(seed)
    ours = coco_scores(found, images, CLASSES, masks=True)
    names = ["AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large", "AR_1", "AR_10", "AR_100"]
    for kind, theirs in (("box", "bbox"), ("mask", "segm")):
        expected = by_pycocotools(found, images, theirs)[:9]
        found_numbers = [-1.0 if ours[kind][name] is None else ours[kind][name] for name in names]
        assert found_numbers == pytest.approx(expected, abs=1e-6)
        assert 0 < ours[kind]["AP"] < 1
        assert ours[kind]["classes"][2] is None


def test_boxes_alone_are_scored_without_masks() -> None:
    found, images = random_set(5)
    both = coco_scores(found, images, CLASSES, masks=True)
    assert coco_scores(found, images, CLASSES) == {"box": both["box"]}


def ranked(found: list[Found], label: int) -> list[tuple[float, int, list[float]]]:
    """Score, image and box of every detection of a class, best first."""
    each = [
        (score, at, box)
        for at, one in enumerate(found)
        for score, kind, box in zip(one.scores.tolist(), one.labels.tolist(), one.boxes.tolist(), strict=True)
        if kind == label
    ]
    return sorted(each, key=lambda entry: -entry[0])


def nearest(box: list[float], things: list[Thing]) -> tuple[float, int]:
    """The largest intersection over union, and whose it is."""
    best = (-1.0, -1)
    for number, thing in enumerate(things):
        width = min(box[2], thing.box[2]) - max(box[0], thing.box[0])
        height = min(box[3], thing.box[3]) - max(box[1], thing.box[1])
        if width > 0 and height > 0:
            areas = [(one[2] - one[0]) * (one[3] - one[1]) for one in (box, thing.box)]
            best = max(best, (width * height / (sum(areas) - width * height), number))
    return best


def by_the_devkit(found: list[Found], images: list[AnnotatedImage], label: int, eleven: bool) -> float:
    """VOCevaldet.m, a step at a time."""
    things = [[thing for thing in one.things if thing.label == label] for one in images]
    count = sum(not thing.difficult for one in things for thing in one)
    taken: set[tuple[int, int]] = set()
    right = wrong = 0
    recalls, precisions = [], []
    for _, at, box in ranked(found, label):
        overlap, place = nearest(box, things[at])
        if overlap < 0.5 or (not things[at][place].difficult and (at, place) in taken):
            wrong += 1
        elif not things[at][place].difficult:
            right += 1
            taken.add((at, place))
        recalls.append(right / count)
        precisions.append(right / max(right + wrong, 1))
    if eleven:
        from_here = [[p for r, p in zip(recalls, precisions, strict=True) if r >= t / 10 - 1e-12] for t in range(11)]
        return sum(max(one, default=0.0) for one in from_here) / 11
    steps = [recall - before for recall, before in zip(recalls, [0.0, *recalls], strict=False)]
    return sum(step * max(precisions[at:]) for at, step in enumerate(steps))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("eleven", [False, True])
def test_voc_average_agrees_with_the_devkit_written_out(seed: int, eleven: bool) -> None:
    found, images = random_set(seed, images=20)
    marked = [
        AnnotatedImage(
            one.path, one.id, 160, 160, tuple(Thing(t.box, t.label, t.area, difficult=t.crowd) for t in one.things)
        )
        for one in images
    ]
    for label in (0, 1):
        ours = voc_average(found, marked, label, eleven=eleven)
        assert ours == pytest.approx(by_the_devkit(found, marked, label, eleven), abs=1e-9)
        assert 0 < float(ours or 0) < 1


def test_voc_scores_of_a_case_by_hand() -> None:
    """Two objects; the first detection is right, the second wrong, the third right: precisions 1, 1/2, 2/3."""
    truth = [image((0, 0, 10, 10), (50, 50, 60, 60))]
    boxes = torch.tensor([[0.0, 0, 10, 10], [20, 20, 30, 30], [50, 50, 60, 60]])
    found = [Found(boxes, torch.tensor([0.9, 0.8, 0.7]), torch.zeros(3, dtype=torch.long))]
    assert voc_average(found, truth, 0) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert voc_average(found, truth, 0, eleven=True) == pytest.approx((6 * 1 + 5 * 2 / 3) / 11)
    assert voc_average(found, truth, 1) is None
    scores = voc_scores(found, truth, 2)
    assert scores["AP_11_points"] == scores["AP50_11_points"] == scores["AP75_11_points"]


def test_a_difficult_object_is_neither_found_nor_missed() -> None:
    found = [Found(torch.tensor([[0.0, 0, 10, 10]]), torch.tensor([0.9]), torch.tensor([0]))]
    assert voc_average(found, [image((0, 0, 10, 10), difficult=True)], 0) is None
    nothing = Found(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.long))
    assert voc_average([nothing], [image((0, 0, 10, 10))], 0) == 0.0
    scores = coco_scores([nothing], [image()], 1)["box"]
    assert scores["AP"] is None
