"""Detectors learn: each overfits a few images; what a run leaves; what is refused before anything is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import fullrank
from fullrank.cli import main
from fullrank.detection.file import load_detector
from fullrank.detection.options import DetectionOptions, DetectorSettings
from fullrank.detection.plan import check, refuse_idle
from fullrank.detection.presets import begin, presets
from fullrank.errors import UserError
from fullrank.nn import encoder, encoder_bytes
from fullrank.report import read_run
from fullrank.runs import read_rows
from tests.detection.sets import changed, coco, voc

TINY: dict[str, Any] = {
    **{"backbone": "tiny", "short_side": (64,), "long_side": 64, "width": 16, "rois": 16, "anchor": 12.0},
    **{"batch_size": 4, "steps": 3, "warmup": 2, "workers": 0},
}
FLAGS = [
    *["--backbone", "tiny", "--short-side", "64", "--long-side", "64", "--width", "16", "--rois", "16"],
    *["--anchor", "12", "--batch-size", "4", "--steps", "3", "--warmup", "2", "--workers", "0"],
]


@pytest.mark.slow
def test_a_pyramid_overfits_eight_images_with_masks(tmp_path: Path) -> None:
    path = coco(tmp_path, "train", 8)
    flags = TINY | {"width": 32, "rois": 32, "lr": 0.02, "steps": 100, "warmup": 10, "precise_bn": 4}
    found = fullrank.detect(train=path, val=path, out=tmp_path / "run", masks=True, flip=False, **flags)
    assert found.scores["box"]["AP50"] > 0.9
    assert found.scores["mask"]["AP50"] > 0.9
    assert found.scores["voc"]["AP50_11_points"] > 0.9


@pytest.mark.slow
def test_the_last_stage_of_a_resnet_overfits_eight_images_with_masks(tmp_path: Path) -> None:
    """It takes more steps than a pyramid: its one map has a stride of 16, and the things have 24 to 42 pixels."""
    path = coco(tmp_path, "train", 8, side=128)
    flags: dict[str, Any] = {"short_side": (128,), "long_side": 128, "batch_size": 2, "steps": 260, "precise_bn": 8}
    flags |= {"masks": True, "rois": 16, "warmup": 10, "anchor": 32.0, "lr": 0.02, "workers": 0, "flip": False}
    found = fullrank.detect(train=path, val=path, out=tmp_path / "run", backbone="test_resnet", head="c4", **flags)
    assert found.scores["box"]["AP50"] > 0.9
    assert found.scores["mask"]["AP50"] > 0.9


@pytest.mark.slow
def test_a_run_leaves_its_scores_its_detector_and_its_page(tmp_path: Path) -> None:
    train, val = coco(tmp_path, "train", 6), coco(tmp_path, "val", 3, start=100)
    found = fullrank.detect(train=train, val=val, out=tmp_path / "run", masks=True, evaluate_every=2, **TINY)
    run = tmp_path / "run"
    assert {path.name for path in run.iterdir()} == {
        *("config.json", "env.json", "metrics.jsonl", "checkpoints", "result.json", "report.html"),
        *("detector.safetensors", "predictions.json", "pictures"),
    }
    rows = read_rows(run / "metrics.jsonl")
    assert [(row["kind"], row["step"]) for row in rows] == [("evaluation", 2), ("train", 3), ("evaluation", 3)]
    assert set(rows[1]["terms"]) == {"classifier", "box_reg", "mask", "objectness", "rpn_box_reg"}
    assert rows[1]["loss"] == pytest.approx(sum(rows[1]["terms"].values()), rel=1e-5)
    assert set(found.scores) == {"box", "mask", "voc"}
    assert rows[-1]["scores"] == found.scores
    page = (run / "report.html").read_text()
    assert page.count("data:image/jpeg;base64") == 3
    assert "AP of masks by class" in page
    with pytest.raises(UserError, match=r"is a run of `fullrank detect`: its page is"):
        read_run(run)


@pytest.mark.slow
def test_that_colors_are_read_in_gray_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = encoder_bytes(encoder("tiny", image_size=32, channels=1), mean=(0.5,), std=(0.25,))
    (tmp_path / "gray.safetensors").write_bytes(content)
    path, flags = str(coco(tmp_path, "train", 4)), [*FLAGS[2:], "--train", str(tmp_path / "train.json")]
    assert (
        main(["detect", str(tmp_path / "gray.safetensors"), *flags, "--val", path, "--out", str(tmp_path / "x")]) == 0
    )
    assert "Images are read in gray, as the encoder takes." in capsys.readouterr().out


@pytest.mark.slow
def test_the_detector_that_is_loaded_finds_what_the_run_found(tmp_path: Path) -> None:
    train, val = coco(tmp_path, "train", 4), coco(tmp_path, "val", 2, start=100)
    fullrank.detect(train=train, val=val, out=tmp_path / "run", masks=True, precise_bn=2, **TINY)
    loaded = load_detector(tmp_path / "run")
    assert loaded.classes == ("square", "ball")
    found = loaded.find([tmp_path / "val" / f"{at}.png" for at in range(2)])
    results = json.loads((tmp_path / "run" / "predictions.json").read_text())
    for at, one in enumerate(found):
        mine = [entry for entry in results if entry["image_id"] == at]
        assert [entry["score"] for entry in mine] == pytest.approx(one.scores.tolist(), abs=1e-4)
        assert [entry["category_id"] - 1 for entry in mine] == one.labels.tolist()
    with pytest.raises(UserError, match="missing or not an image"):
        loaded.find([tmp_path / "none.png"])


@pytest.mark.slow
def test_the_last_stage_of_a_resnet_is_a_head_of_boxes_and_masks(tmp_path: Path) -> None:
    train = coco(tmp_path, "train", 4)
    flags = TINY | {"backbone": "test_resnet", "head": "c4", "width": 256, "rois": 8, "batch_size": 2}
    found = fullrank.detect(train=train, val=train, out=tmp_path / "run", masks=True, **flags)
    loaded = load_detector(found.path)
    last = loaded.detector.network.roi_heads.mask_head
    assert last is loaded.detector.network.roi_heads.box_head.last
    assert last.norm.weight.shape == (last.out_channels,)
    pooled = torch.zeros(2, loaded.detector.network.backbone.out_channels, 14, 14)
    assert last(pooled).shape == (2, last.out_channels, 7, 7)


@pytest.mark.slow
def test_an_encoder_of_a_run_is_where_a_detector_begins_and_its_control_is_not(tmp_path: Path) -> None:
    flags: dict[str, Any] = {"image_size": 32, "steps": 2, "batch_size": 2, "projector": (8,), "channels": 3}
    coco(tmp_path, "train", 4)
    encoder = fullrank.train("vicreg", data=str(tmp_path / "train"), out=tmp_path / "encoder", **flags)
    path = tmp_path / "train.json"
    options = {name: value for name, value in TINY.items() if name != "backbone"} | {"lr": 1e-9, "norm": "frozen"}
    found = fullrank.detect(encoder.path, train=path, val=path, out=tmp_path / "run", control=True, **options)
    ours = fullrank.load(encoder.path).encoder.model.state_dict()
    kept = load_detector(found.path).detector.network.backbone.maps.model.state_dict()
    other = load_detector(found.path / "control").detector.network.backbone.maps.model.state_dict()
    assert all(torch.allclose(kept[name], value, atol=1e-6) for name, value in ours.items())
    assert not torch.allclose(other["0.weight"], ours["0.weight"], atol=1e-3)
    assert found.control is not None
    assert "random weights" in (found.path / "report.html").read_text()
    assert json.loads((found.path / "config.json").read_text())["encoder"]["place"] == str(encoder.path.resolve())


@pytest.mark.slow
def test_voc_is_trained_on_and_scored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = voc(tmp_path, 4, difficult=1)
    flags = ["--train", str(names), "--val", str(names), "--out", str(tmp_path / "run")]
    assert main(["detect", *FLAGS, *flags]) == 0
    said = capsys.readouterr().out
    assert "1 difficult objects, which do not count in the scores" in said
    assert "VOC AP50" in said


@pytest.mark.slow
def test_images_without_boxes_are_trained_on_unless_asked(tmp_path: Path) -> None:
    path = changed(coco(tmp_path, "train", 6), annotations=lambda entries: [e for e in entries if e["image_id"] < 2])
    flags = TINY | {"batch_size": 2}
    fullrank.detect(train=path, val=path, out=tmp_path / "all", **flags)
    rows = read_rows(tmp_path / "all" / "metrics.jsonl")
    assert [row["epoch"] for row in rows if row["kind"] == "train"] == [1.0]
    fullrank.detect(train=path, val=path, out=tmp_path / "some", empty=False, **flags)
    rows = read_rows(tmp_path / "some" / "metrics.jsonl")
    assert [row["epoch"] for row in rows if row["kind"] == "train"] == [3.0]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ([], "Which encoder? Pass a run, a file or --weights, or --backbone NAME"),
        (["--backbone", "tiny", "--control"], "--control is the detector from random weights, and this one is that"),
        (["nowhere"], "nowhere does not exist"),
        (["run", "--weights", "other"], "RUN and --weights both say where to begin"),
        (["--backbone", "tiny", "--head", "c4", "--batch-size", "2"], "--head c4 takes ResNets, and tiny is not one"),
        (["--backbone", "vit_tiny_patch14_224"], "There is no encoder"),
        (
            ["--backbone", "mixer_s32_224", "--batch-size", "2"],
            "mixer_s32_224 takes images of 224 px alone, and a detector sees any size",
        ),
        (["--backbone", "tiny", "--batch-size", "99"], "A batch of 99 is more than the 2 images"),
        (["--backbone", "tiny", "--batch-size", "2", "--devices", "4"], "cannot be shared by 4 processes"),
        (["--backbone", "tiny", "--short-side", "2000"], "--short-side takes sides from 16 pixels up to --long-side"),
        (["--backbone", "tiny", "--steps", "0"], "--steps 0 is too small"),
        (["--backbone", "tiny", "--preset", "coco"], "There is no preset 'coco'"),
        (["--backbone", "./net.py:Net"], "net.py"),
        *[
            (
                ["--backbone", "tiny", "--batch-size", "2", *flags.split()],
                f"{flag} acts with {needs} only: leave it away",
            )
            for flags, flag, needs in (
                ("--head c4 --width 16", "--width", "--head fpn"),
                ("--preset voc-c4-24k --width 16", "--width", "--head fpn"),
                ("--precise-bn 2 --norm frozen", "--precise-bn", "--norm train or --head c4"),
                ("--steps 3 --epochs 2", "--epochs", "--steps None"),
                ("--preset voc-c4-24k --epochs 2", "--epochs", "--steps None"),
                ("--voc-first 1", "--voc-first", "VOC XML"),
            )
        ],
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(
    flags: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = coco(tmp_path, "train", 2)
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.iterdir())
    both = ["--train", str(path), "--val", str(path), "--out", "run"]
    assert main(["detect", *both, *flags] if "run" not in flags else ["detect", *flags, *both]) == 2
    assert said in capsys.readouterr().err
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize("name", ["train", "val"])
def test_boxes_without_masks_are_named_as_such(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for each in ("train", "val"):
        path = coco(tmp_path, each, 2)
        if each == name:
            changed(path, annotations=lambda entries: [entry | {"segmentation": []} for entry in entries])
    both = [f"--{each}={tmp_path}/{each}.json" for each in ("train", "val")]
    assert main(["detect", "--backbone", "tiny", *both, "--masks", "--out", str(tmp_path / "run")]) == 2
    said = f"--{name} has no masks: leave out --masks, or pass annotations with segmentations.\n"
    assert capsys.readouterr().err.endswith(said)


@pytest.mark.parametrize("preset", presets())
def test_presets_and_what_acts_is_not_refused(preset: str) -> None:
    start = begin(preset)[1]
    check(start, DetectionOptions())
    for flags in ({}, {"norm": "frozen"}, {"head": "fpn", "width": 64}, {"steps": None, "epochs": 2.0}):
        refuse_idle(DetectorSettings(**vars(start) | flags), start)
    refuse_idle(DetectorSettings(head="c4", norm="frozen", precise_bn=2), DetectorSettings())


@pytest.mark.parametrize(("batch", "gpus", "devices", "pass_"), [(16, 3, None, 15), (2, 4, None, 4), (16, 3, 2, 0)])
def test_a_batch_is_shared_by_all_gpus_unless_devices_says_otherwise(
    batch: int, gpus: int, devices: int | None, pass_: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: gpus)
    settings, options = DetectorSettings(batch_size=batch), DetectionOptions(devices=devices)
    if not pass_:
        check(settings, options)
        return
    with pytest.raises(UserError, match=f"cannot be shared by {gpus} processes: pass --batch-size {pass_}"):
        check(settings, options)


def test_an_old_folder_is_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = coco(tmp_path, "train", 2)
    both = ["--train", str(path), "--val", str(path), "--out", str(tmp_path)]
    assert main(["detect", "--backbone", "tiny", *both]) == 2
    assert "exists already: pass another --out" in capsys.readouterr().err
    (tmp_path / "config.json").write_text('{"kind": "detection"}')
    assert main(["detect", "--backbone", "tiny", *both]) == 2
    assert "go on with `fullrank detect --resume" in capsys.readouterr().err
