"""Images of more than 8 bits are read by the range of the encoder; what an encoder does not take is said at once."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import fullrank
from fullrank.cli import main
from fullrank.data.pixels import Decoding
from fullrank.detection.annotations import read_annotations
from fullrank.detection.annotations.checks import size_of
from fullrank.detection.file import load_detector
from fullrank.detection.samples import opened, require_taken
from fullrank.errors import UserError
from fullrank.nn import encoder, encoder_bytes
from fullrank.runs import read_json
from tests.detection.sets import coco
from tests.detection.test_detect import FLAGS, TINY

SPAN = (0.0, 40000.0)


def deep(folder: Path, name: str, count: int, *, since: int = 0) -> Path:
    """A set whose images from `since` on are gray, of 16 bits, up to SPAN's white."""
    path = coco(folder, name, count)
    for at in range(since, count):
        file = folder / name / f"{at}.png"
        gray = np.asarray(Image.open(file).convert("L"), dtype=np.float64)
        Image.fromarray((gray / 255 * SPAN[1]).round().astype(np.uint16)).save(file)
    return path


def encoder_of(folder: Path, *, span: tuple[float, float] | None = SPAN) -> str:
    made = encoder("tiny", image_size=32, channels=1)
    path = folder / "encoder.safetensors"
    path.write_bytes(encoder_bytes(made, mean=(0.5,), std=(0.25,), span=span))
    return str(path)


def test_pixels_are_those_of_8_bits(tmp_path: Path) -> None:
    shallow, other = coco(tmp_path / "a", "train", 1), deep(tmp_path / "b", "train", 1)
    one, two = (
        opened(read_annotations([path]).images[0], Decoding(1, SPAN), 64, 64).float() for path in (shallow, other)
    )
    torch.testing.assert_close(one, two, atol=1, rtol=0)


@pytest.mark.slow
def test_a_detector_trains_scores_goes_on_and_finds_on_deep_images(tmp_path: Path) -> None:
    path = deep(tmp_path, "train", 4)
    flags: dict[str, Any] = {name: value for name, value in TINY.items() if name != "backbone"}
    found = fullrank.detect(encoder_of(tmp_path), train=path, val=path, out=tmp_path / "run", **flags)
    results = (found.path / "predictions.json").read_bytes()
    loaded = load_detector(found.path)
    assert loaded.decoding == Decoding(1, SPAN)
    scores = loaded.find([tmp_path / "train" / "0.png"])[0].scores.tolist()
    kept = [entry["score"] for entry in json.loads(results) if entry["image_id"] == 0]
    assert kept == pytest.approx(scores, abs=1e-4)
    (found.path / "result.json").unlink()
    assert main(["detect", "--resume", str(found.path)]) == 0
    assert (found.path / "predictions.json").read_bytes() == results
    assert read_json(found.path / "config.json")["network"]["range"] == [*SPAN]


@pytest.mark.parametrize(
    ("since", "why"),
    [
        (0, "0.png is not as the encoder takes images (more than 8 bits): convert it"),
        (2, "2.png is not as the encoder takes images (more than 8 bits): convert it"),
    ],
)
@pytest.mark.parametrize("which", ["train", "val"])
def test_what_an_encoder_does_not_take_is_said_before_there_is_a_folder(
    which: str, since: int, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = encoder_of(tmp_path, span=None)
    sets = {each: deep(tmp_path, each, 4, since=since if each == which else 4) for each in ("train", "val")}
    both = [f"--{each}={path}" for each, path in sets.items()]
    assert main(["detect", place, *FLAGS[2:], *both, "--out", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err
    assert "--range" not in said
    assert f"{which}/{why}" in said
    assert not (tmp_path / "run").exists()


def test_channels_that_an_encoder_does_not_take_are_said_before_there_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"0.png is not as the encoder takes images \(3 channels, not 4\): convert it"):
        require_taken(read_annotations([coco(tmp_path, "train", 1)]).images, Decoding(4))


def test_a_broken_image_is_said_before_there_is_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = coco(tmp_path, "train", 3)
    file = tmp_path / "train" / "1.png"
    file.write_bytes(file.read_bytes()[:3000])
    flags = [*FLAGS, "--batch-size", "2", f"--train={path}", f"--val={path}", f"--out={tmp_path / 'run'}"]
    assert main(["detect", *flags]) == 2
    assert f"{file} cannot be read (image file is truncated" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_the_size_of_a_file_that_pillow_does_not_open_is_known(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(tmp_path / "a.tif", np.ones((10, 20, 5), dtype=np.uint16), planarconfig="contig")
    assert size_of(tmp_path / "a.tif", None, Counter()) == (20, 10)
