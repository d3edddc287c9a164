"""Every export holds the same features, in the hands of its own library and of FullRank, or it is not there."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import timm as timm_library
import torch
import torchvision as torchvision_library
from safetensors.torch import load_file, save_file

import fullrank
from fullrank.cli import main
from fullrank.errors import UserError, printable
from fullrank.evaluation import export
from fullrank.evaluation.export import export_model
from fullrank.evaluation.model import Model
from fullrank.nn import SavedEncoder, encoder, encoder_bytes
from fullrank.nn.exports import FORMATS, NOTE, About, Format, open_export
from tests.report.run_folders import write_run
from tests.runs.mutations import values_changed

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


def model(name: str, folder: Path, *, image_size: int = 96, channels: int = 3) -> Model:
    torch.manual_seed(0)
    made = encoder(name, image_size=image_size, channels=channels)
    made.train()(torch.randn(4, channels, image_size, image_size))  # moves the running statistics
    path = folder / "encoder.safetensors"
    path.write_bytes(encoder_bytes(made, mean=MEAN[:channels], std=STD[:channels], recipe="intl"))
    found: Model = fullrank.load(path)
    return found


def images(of: Model, count: int = 3) -> torch.Tensor:
    shape = (count, of.encoder.channels, of.encoder.image_size, of.encoder.image_size)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def normalized(x: torch.Tensor) -> torch.Tensor:
    return (x / 255 - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


def same(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


def checked_here(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
    return subprocess.CompletedProcess(command, 0, f"{export._check(Path(command[-1]))}\n", "")


@pytest.fixture
def read_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """An export is read again in this process: that a fresh one reads it is shown by the tests without this fixture."""
    monkeypatch.setattr(export, "subprocess", SimpleNamespace(run=checked_here))


@pytest.mark.slow
@pytest.mark.usefixtures("read_here")
@pytest.mark.parametrize(
    ("to", "name", "size", "channels"),
    [
        ("timm", "resnet10t", 96, 3),
        ("timm", "vit_tiny_patch16_224", 32, 1),
        ("torchvision", "torchvision/resnet18", 96, 3),
        ("huggingface", "resnet10t", 96, 3),
        ("onnx", "tiny", 28, 1),
        ("onnx", "resnet10t", 32, 3),
        ("torch-export", "tiny", 28, 1),
        ("detectron2", "torchvision/resnet50", 96, 3),
    ],
)
def test_what_goes_out_is_loaded_back_with_the_same_features(
    to: str, name: str, size: int, channels: int, tmp_path: Path
) -> None:
    ours = model(name, tmp_path, image_size=size, channels=channels)
    out = tmp_path / "my export"
    assert export_model(ours, to, out) <= 1e-4
    back = fullrank.load(out, trust=to == "torch-export")
    assert (back.encoder.image_size, back.encoder.channels, back.encoder.width) == (size, channels, ours.encoder.width)
    for count in (1, 5):  # a dynamic batch
        with torch.inference_mode():
            same(back(images(ours, count)), ours(images(ours, count)))
    assert not (out / "reference.safetensors").exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    card = (out / "README.md").read_text(encoding="utf-8")
    assert "trained by intl" in card
    assert "FOLDER" not in card


@pytest.mark.slow
@pytest.mark.usefixtures("read_here")
def test_timm_alone_reads_it(tmp_path: Path) -> None:
    ours = model("resnet10t", tmp_path)
    export_model(ours, "timm", tmp_path / "out")
    theirs: Any = timm_library.create_model(f"local-dir:{tmp_path / 'out'}", pretrained=True, num_classes=0).eval()
    with torch.inference_mode():
        same(theirs(normalized(images(ours))), ours(images(ours)))
    assert theirs.pretrained_cfg["mean"] == list(MEAN)
    assert theirs.pretrained_cfg["input_size"] == (3, 96, 96)


@pytest.mark.slow
@pytest.mark.usefixtures("read_here")
def test_torchvision_alone_reads_it(tmp_path: Path) -> None:
    ours = model("torchvision/resnet18", tmp_path)
    export_model(ours, "torchvision", tmp_path / "out")
    theirs = torchvision_library.models.resnet18()
    found = theirs.load_state_dict(load_file(tmp_path / "out" / "model.safetensors"), strict=False)
    assert (found.unexpected_keys, found.missing_keys) == ([], ["fc.weight", "fc.bias"])
    theirs.fc = torch.nn.Identity()
    with torch.inference_mode():
        same(theirs.eval()(normalized(images(ours))), ours(images(ours)))


@pytest.mark.slow
@pytest.mark.usefixtures("read_here")
def test_onnxruntime_alone_reads_it_and_the_graph_normalizes(tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    ours = model("resnet10t", tmp_path, image_size=32)
    export_model(ours, "onnx", tmp_path / "out")
    session = onnxruntime.InferenceSession(str(tmp_path / "out" / "model.onnx"), providers=["CPUExecutionProvider"])
    for count in (1, 7):
        x = images(ours, count)
        (found,) = session.run(None, {"images": (x / 255).numpy()})
        with torch.inference_mode():
            same(torch.from_numpy(found), ours(x))
    about = json.loads(session.get_modelmeta().custom_metadata_map["fullrank"])
    assert (about["name"], about["mean"]) == ("resnet10t", list(MEAN))


@pytest.mark.slow
@pytest.mark.usefixtures("read_here")
def test_torch_alone_reads_a_program_and_fullrank_only_if_it_is_trusted(tmp_path: Path) -> None:
    ours = model("tiny", tmp_path, image_size=28)
    export_model(ours, "torch-export", tmp_path / "out")
    program = torch.export.load(tmp_path / "out" / "model.pt2").module()
    with torch.inference_mode():
        same(program(images(ours, 6) / 255), ours(images(ours, 6)))
    with pytest.raises(UserError, match=r"could run code in it: pass --trust \(trust=True from Python\)"):
        fullrank.load(tmp_path / "out")


@pytest.mark.slow
@pytest.mark.usefixtures("read_here")
def test_detectron2_finds_its_names_in_a_file_without_code(tmp_path: Path) -> None:
    """The names and shapes of detectron2's own ResNet-50, written out, since it cannot be installed from PyPI.

    A stem, res2 to res5, three convolutions with norms, shortcuts.
    """
    ours = model("torchvision/resnet50", tmp_path)
    export_model(ours, "detectron2", tmp_path / "out")
    content = torch.load(tmp_path / "out" / "model.pth", weights_only=True)
    shapes = {"stem.conv1": (64, 3, 7, 7)}
    wide = 64
    for stage, blocks in enumerate((3, 4, 6, 3), start=2):
        inner, outer = 64 * 2 ** (stage - 2), 256 * 2 ** (stage - 2)
        for block in range(blocks):
            at = f"res{stage}.{block}"
            shapes |= {f"{at}.shortcut": (outer, wide, 1, 1)} if block == 0 else {}
            shapes |= {f"{at}.conv1": (inner, wide, 1, 1), f"{at}.conv2": (inner, inner, 3, 3)}
            shapes[f"{at}.conv3"] = (outer, inner, 1, 1)
            wide = outer
    norm = ("weight", "bias", "running_mean", "running_var")
    expected: dict[str, tuple[int, ...]] = {f"{name}.weight": shape for name, shape in shapes.items()}
    expected |= {f"{name}.norm.{leaf}": shape[:1] for name, shape in shapes.items() for leaf in norm}
    assert {name: tuple(value.shape) for name, value in content["model"].items()} == expected
    assert content["matching_heuristics"] is True


@pytest.mark.parametrize(
    ("to", "name", "size", "sentence"),
    [
        ("timm", "tiny", 96, "tiny is not a network of timm: export it by --to onnx or --to torch-export"),
        ("timm", "torchvision/resnet18", 96, "is not a network of timm: pass --to torchvision"),
        ("torchvision", "resnet10t", 96, "resnet10t is not a network of torchvision: pass --to timm"),
        ("torchvision", "torchvision/resnet18", 32, "has first layers for small images, which torchvision has no name"),
        ("timm", "resnet10t", 32, "has first layers for small images, which timm has no name for"),
        ("detectron2", "torchvision/squeezenet1_1", 96, "is not a ResNet as detectron2 has them"),
        ("caffe", "tiny", 28, "There is no export to caffe"),
    ],
)
def test_what_a_library_does_not_have_is_refused_and_leaves_nothing(
    to: str, name: str, size: int, sentence: str, tmp_path: Path
) -> None:
    ours = model(name, tmp_path, image_size=size)
    with pytest.raises(UserError) as raised:
        export_model(ours, to, tmp_path / "out")
    assert sentence in str(raised.value)
    assert [path.name for path in tmp_path.iterdir()] == ["encoder.safetensors"]


@pytest.mark.slow
def test_an_export_whose_features_differ_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = model("resnet10t", tmp_path)
    write = FORMATS["timm"].write

    def wrong(saved: SavedEncoder, folder: Path) -> None:
        write(saved, folder)
        tensors = load_file(folder / "model.safetensors")
        tensors["conv1.0.weight"] = tensors["conv1.0.weight"] * 2
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})

    monkeypatch.setitem(FORMATS, "timm", Format(wrong, FORMATS["timm"].read, ""))
    with monkeypatch.context() as here:
        here.setattr(export, "subprocess", SimpleNamespace(run=checked_here))
        with pytest.raises(UserError, match=r"features of the export are off by .*: nothing was kept"):
            export_model(ours, "timm", tmp_path / "out")

    def broken(saved: SavedEncoder, folder: Path) -> None:
        write(saved, folder)
        (folder / "model.safetensors").write_text("no weights")

    monkeypatch.setitem(FORMATS, "timm", Format(broken, FORMATS["timm"].read, ""))
    with pytest.raises(UserError, match=r"could not be read again in a fresh process \(.*: nothing was kept"):
        export_model(ours, "timm", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["encoder.safetensors"]


@pytest.mark.slow
def test_the_command_says_what_it_compared_and_its_card_has_data_recipe_numbers_and_diagnosis(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run = write_run(tmp_path / "run")
    model("resnet10t", run)
    assert main(["export", "run", "--to", "timm"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"Wrote run-timm, and read it again in a fresh process: features differ by at most \S+ of", said)
    card = Path("run-timm/README.md").read_text(encoding="utf-8")
    result = json.loads((run / "result.json").read_text())
    config = json.loads((run / "config.json").read_text())
    assert card.startswith("---\nlibrary_name: timm\n")
    assert f"- recipe: {config['recipe']}" in card
    assert f"kNN accuracy {result['knn']:.4f}, linear probe {result['linear']['test']:.4f}" in card
    assert result["verdict"]["sentence"] in card
    assert main(["export", "run", "--to", "timm"]) == 2
    assert "run-timm exists already" in capsys.readouterr().err


def test_a_folder_that_is_not_an_export_any_more_is_said(tmp_path: Path) -> None:
    (tmp_path / "fullrank.json").write_text('{"format": "onnx"}')
    with pytest.raises(UserError, match=r"fullrank.json cannot be read .*: export again"):
        fullrank.load(tmp_path)


@pytest.mark.slow
@pytest.mark.usefixtures("read_here")
def test_embed_takes_an_export_in_the_place_of_a_run(tmp_path: Path) -> None:
    ours = model("tiny", tmp_path, image_size=28, channels=1)
    export_model(ours, "onnx", tmp_path / "out")
    z = fullrank.load(tmp_path / "out").embed(images(ours))
    assert np.allclose(z.numpy(), ours.embed(images(ours)).numpy(), atol=1e-4)


@pytest.mark.slow
@pytest.mark.usefixtures("read_here")
def test_the_range_of_deep_images_goes_with_an_export(tmp_path: Path) -> None:
    made = encoder("tiny", image_size=16, channels=1)
    path = tmp_path / "encoder.safetensors"
    path.write_bytes(encoder_bytes(made, mean=(0.5,), std=(0.2,), span=(0.0, 4095.0)))
    fullrank.export(path, "torch-export", out=tmp_path / "out")
    assert fullrank.load(tmp_path / "out", trust=True).range == fullrank.load(path).range == (0.0, 4095.0)


@pytest.mark.parametrize("to", [name for name, way in FORMATS.items() if not way.runs_code])
def test_an_export_that_is_damaged_is_one_sentence(to: str, tmp_path: Path) -> None:
    """Its files say nothing, and its note is mutated at random."""
    note = About(to, "torchvision/squeezenet1_1", "imagenet", 64, 3, 512, (0.5,) * 3, (0.25,) * 3, None, {})
    whole = json.dumps(asdict(note))
    for name in ("config.json", "model.safetensors", "model.onnx", "model.pth", "pytorch_model.bin"):
        (tmp_path / name).write_bytes(b"{}")
    for seed in range(40):
        (tmp_path / NOTE).write_bytes(whole.encode() if not seed else values_changed(whole, seed).encode("latin-1"))
        with pytest.raises(UserError) as refused:
            open_export(tmp_path)
        assert "\n" not in printable(refused.value)
        assert len(printable(refused.value)) < 600
    (tmp_path / NOTE).write_text(whole)
    (tmp_path / "model.onnx").unlink()
    os.mkfifo(tmp_path / "model.onnx")
    with pytest.raises(UserError, match=r"model.onnx is not a file"):
        open_export(tmp_path)
