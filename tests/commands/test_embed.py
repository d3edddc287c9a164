"""`fullrank embed`: every kind of file holds the same rows, a killed call goes on, shards are the whole."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

import fullrank
from fullrank.cli import main
from fullrank.embeddings import open_column, open_embeddings
from fullrank.embeddings.writers import Rows
from fullrank.errors import UserError
from fullrank.evaluation import embed as embedding
from fullrank.evaluation.embed import Images
from fullrank.evaluation.model import Model
from fullrank.nn import encoder, encoder_bytes
from tests.data.trees import deep


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an encoder and 28 photographs of two classes, some gray, of many sizes."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    Path("encoder.safetensors").write_bytes(
        encoder_bytes(encoder("tiny", image_size=16), mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))
    )
    random = np.random.default_rng(0)
    for at in range(28):
        folder = Path("my photos") / ("brick" if at % 2 else "wood")
        folder.mkdir(parents=True, exist_ok=True)
        shape = (20 + at, 60 - at) if at % 3 == 0 else (20 + at, 60 - at, 3)
        Image.fromarray(random.integers(0, 256, shape, dtype=np.uint8)).save(folder / f"{at:02} ä.png")
    return tmp_path


def rows(path: str) -> Tensor:
    return torch.cat(list(open_embeddings(path).read(0, None)))


def flat(capsys: pytest.CaptureFixture[str]) -> str:
    """What was said on stderr, in one line."""
    return " ".join(capsys.readouterr().err.split())


def expected() -> tuple[list[str], Tensor]:
    files = sorted(Path("my photos").rglob("*.png"))
    return [str(file.relative_to("my photos")) for file in files], fullrank.load("encoder.safetensors").embed(files)


@pytest.mark.parametrize("ending", [".npy", ".parquet", ".safetensors", ".zarr"])
def test_every_kind_of_file_holds_names_labels_and_the_rows_that_embed_gives(ending: str, here: Path) -> None:
    assert main(["embed", "encoder.safetensors", "my photos", "--out", f"z{ending}", "--workers", "0"]) == 0
    names, z = expected()
    torch.testing.assert_close(rows(f"z{ending}"), z)
    if ending == ".parquet":
        from pyarrow.parquet import read_table

        table = read_table("z.parquet")
        assert table["name"].to_pylist() == names
        found = open_column("z.parquet::label")
        about = json.loads(table.schema.metadata[b"fullrank"])
        assert about["root"] == str(here / "my photos")
        assert about["encoder"] == str(here / "encoder.safetensors")
    else:
        with open("z.rows.csv", encoding="utf-8", newline="") as file:
            assert [row["name"] for row in csv.DictReader(file)] == names
        found = open_column("z.rows.csv::label")
    assert found.names == ("brick", "wood")
    assert [found.names[code] for code in found.codes] == [name.split("/")[0] for name in names]
    assert not Path(f"z{ending}.parts").exists()
    assert main(["diagnose", f"z{ending}", "--no-report"]) in (0, 1, 3)


@pytest.mark.slow
def test_shards_are_the_whole_and_each_can_be_written_alone(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = ["embed", "encoder.safetensors", "my photos", "--workers", "0"]
    assert main([*base, "--out", "whole.npy"]) == 0
    for shard in ("2", "0", "1"):
        assert main([*base, "--out", "z.npy", "--shards", "3", "--shard", shard]) == 0
    assert sorted(path.name for path in here.glob("z*.npy")) == [f"z-0000{at}-of-00003.npy" for at in range(3)]
    assert not Path("z.npy.parts").exists()
    assert torch.equal(rows("z-*.npy"), rows("whole.npy"))
    assert open_column("z-*.rows.csv::label").codes.tolist() == open_column("whole.rows.csv::label").codes.tolist()
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        monkeypatch.setenv("WORLD_SIZE", "2")
        assert main([*base, "--out", "ranks.npy"]) == 0
    assert torch.equal(rows("ranks-*.npy"), rows("whole.npy"))
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name)
    for name, value in (("SLURM_NTASKS", "4"), ("SLURM_NNODES", "2")):
        monkeypatch.setenv(name, value)
    for task in range(4):
        monkeypatch.setenv("SLURM_PROCID", str(task))
        assert main([*base, "--out", "nodes.npy"]) == 0
    assert len([*here.glob("nodes-*.npy")]) == 4
    assert torch.equal(rows("nodes-*.npy"), rows("whole.npy"))


def test_a_killed_call_goes_on_with_what_it_has(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(embedding, "PART", 8)
    base = ["embed", "encoder.safetensors", "my photos", "--workers", "0", "--batch-size", "5", "--out", "z.parquet"]
    calls: list[range] = []
    encode = embedding._encode

    def noted(model: Model, images: Images, part: range, batch_size: int, workers: int) -> Rows:
        calls.append(part)
        return encode(model, images, part, batch_size, workers)

    def killed(model: Model, images: Images, part: range, batch_size: int, workers: int) -> Rows:
        if len(calls) == 2:
            raise KeyboardInterrupt
        return noted(model, images, part, batch_size, workers)

    with monkeypatch.context() as patched:
        patched.setattr(embedding, "_encode", killed)
        assert main(base) == 130
    assert not Path("z.parquet").exists()
    calls.clear()
    monkeypatch.setattr(embedding, "_encode", noted)
    capsys.readouterr()
    assert main(base) == 0
    assert "z.parquet: 16 of 28 rows were there already." in capsys.readouterr().out
    assert calls == [range(16, 24), range(24, 28)]
    torch.testing.assert_close(rows("z.parquet"), expected()[1])


def test_what_is_there_is_not_written_over(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = ["embed", "encoder.safetensors", "my photos", "--workers", "0", "--out"]
    assert main([*base, "z.npy"]) == 0
    before = Path("z.npy").read_bytes()
    assert main([*base, "z.npy"]) == 2
    assert "z.npy exists already: pass another --out" in capsys.readouterr().err
    assert Path("z.npy").read_bytes() == before
    assert main([*base, "z.safetensors"]) == 2
    assert "z.rows.csv exists already" in capsys.readouterr().err
    assert main([*base, "z.parquet"]) == 0  # which holds its rows itself
    Path("other.npy.parts").mkdir()
    Path("other.npy.parts/about.json").write_text('{"encoder": "another"}')
    assert main([*base, "other.npy"]) == 2
    assert "holds parts of other embeddings: remove it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["encoder.safetensors", "my photos", "--out", "z.txt"], "has an ending that embeddings cannot be written to"),
        (["encoder.safetensors", "my photos", "--out", "no/z.npy"], "name a file, in a folder that exists"),
        (["nowhere", "my photos", "--out", "z.npy"], "nowhere does not exist: pass the folder of a run"),
        (["encoder.safetensors", "nowhere", "--out", "z.npy"], "neither a built-in data set nor an existing path"),
        (["encoder.safetensors", "--out", "z.npy"], "Which images?"),
        (["encoder.safetensors", "my photos", "--out", "z.npy", "--shards", "0"], "--shards 0 is too small"),
        (["encoder.safetensors", "my photos", "--out", "z.npy", "--shards", "2", "--shard", "2"], "--shard 2 is none"),
        (["encoder.safetensors", "my photos", "--out", "z.npy", "--shards", "99"], "more than the 28 images"),
        (["encoder.safetensors", "encoder.safetensors", "--out", "z.npy"], "encoder.safetensors cannot be read"),
        (["encoder.safetensors", "my photos/wood/00 ä.png", "my photos", "--out", "z.npy"], "is an image, and other"),
        (
            ["encoder.safetensors", "my photos", "--columns", "a", "--out", "z.npy"],
            "--columns does not act on my photos",
        ),
        (
            ["encoder.safetensors", "my photos/wood/00 ä.png", "--split", "none", "--out", "z.npy"],
            "--split does not act",
        ),
    ],
)
def test_wrong_calls_are_one_sentence_and_write_nothing(
    arguments: list[str], sentence: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(here.rglob("*"))
    assert main(["embed", *arguments]) == 2
    assert sentence in capsys.readouterr().err
    assert sorted(here.rglob("*")) == before


@pytest.mark.slow
def test_images_alone_and_data_in_memory_are_embedded_too(here: Path) -> None:
    files = ["my photos/wood/02 ä.png", "my photos/brick/01 ä.png"]
    assert main(["embed", "encoder.safetensors", *files, "--out", "some.npy", "--workers", "0"]) == 0
    torch.testing.assert_close(rows("some.npy"), fullrank.load("encoder.safetensors").embed(files))
    out = fullrank.embed("encoder.safetensors", "digits", out="digits.parquet")
    assert out == Path("digits.parquet")
    from pyarrow.parquet import read_table

    table = read_table("digits.parquet")
    assert table.num_rows == 1797
    assert table["split"].to_pylist() == ["train"] * 1397 + ["test"] * 400
    assert set(table["label"].to_pylist()) == set("0123456789")


def test_images_are_embedded_in_gray_where_that_is_asked_for(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By an encoder of three channels: alone and in a folder, as those that were made gray before."""
    files = sorted(str(path) for path in Path("my photos").rglob("*.png"))
    base = ["embed", "encoder.safetensors", "--workers", "0", "--channels", "1"]
    assert main([*base, *files, "--out", "alone.npy"]) == 0
    assert main([*base, "my photos", "--out", "folder.npy"]) == 0
    assert "gray repeated in 3 channels, as the encoder takes" in " ".join(capsys.readouterr().out.split())
    colors = expected()[1]
    for path in files:
        Image.open(path).convert("L").save(path)
    gray = expected()[1]
    assert not torch.allclose(colors, gray)
    for name in ("alone.npy", "folder.npy"):
        torch.testing.assert_close(rows(name), gray)


def test_one_part_at_a_time_is_in_memory(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "PART", 8)
    sizes: list[int] = []
    keep = embedding._keep

    def noted(path: Path, z: Rows) -> None:
        sizes.append(len(z))
        keep(path, z)

    monkeypatch.setattr(embedding, "_keep", noted)
    shutil.rmtree("my photos/wood")
    fullrank.embed(fullrank.load("encoder.safetensors"), "my photos", out="z.npy", workers=0)
    assert sizes == [8, 6]


@pytest.mark.slow
def test_the_weights_of_another_framework_embed_too(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = encoder("resnet10t", image_size=176)  # as timm publishes it
    torch.save(
        {"state_dict": {f"module.encoder_q.{name}": value for name, value in made.model.state_dict().items()}}, "m.pth"
    )
    base = ["embed", "m.pth", "my photos/wood/02 ä.png", "--workers", "0"]
    assert main([*base, "--backbone", "resnet10t", "--out", "z.npy"]) == 0
    said = capsys.readouterr().out
    assert "84 of 84 tensors of resnet10t. Pixels are normalized with mean 0.485, 0.456, 0.406" in said
    saved = Model(made.eval(), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    torch.testing.assert_close(rows("z.npy"), saved.embed(["my photos/wood/02 ä.png"]))
    assert main([*base, "--out", "other.npy"]) == 2
    assert "m.pth holds weights and does not say of which network: name it by --backbone" in flat(capsys)
    save_file(made.model.state_dict(), "bare weights.safetensors")
    assert main(["embed", "bare weights.safetensors", *base[2:], "--out", "other.npy"]) == 2
    assert "as in `fullrank embed 'bare weights.safetensors' IMAGES --backbone" in flat(capsys)
    assert main([*base, "--backbone", "resnet18", "--out", "other.npy"]) == 2
    assert "under 90 %: pass the --backbone" in flat(capsys)


@pytest.mark.slow
@pytest.mark.parametrize("top", [1023, 4095, 16383])
def test_a_single_deep_file_is_read_by_the_range_of_the_run(
    top: int, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, values in enumerate(deep(here / "deep", top, count=8)):
        Image.fromarray(np.floor(values * (255 / top) + 0.5).astype(np.uint8)).save(f"{number}.png")
    few: dict[str, Any] = {"steps": 2, "batch_size": 4, "projector": (8, 4), "workers": 0, "image_size": 32}
    run = fullrank.train("simclr", data="deep", out="my run", **few)
    model = fullrank.load(run)
    expected = model.embed(["0.png", "1.png"])  # of 8 bits, as the training saw them
    paths = [str(here / "deep" / f"{number}.png") for number in range(2)]
    assert torch.equal(model.embed(paths), expected)
    assert torch.equal(model.embed([Image.open(path) for path in paths]), expected)
    shutil.copy(run.path / "encoder.safetensors", "alone.safetensors")
    assert torch.equal(fullrank.load("alone.safetensors").embed(paths), expected)
    for at, source in enumerate(("my run", "alone.safetensors")):
        assert main(["embed", source, *paths, "--out", f"z{at}.npy", "--workers", "0"]) == 0
        torch.testing.assert_close(rows(f"z{at}.npy"), expected)
        fullrank.embed(source, "deep", out=f"all{at}.npy", workers=0)
        torch.testing.assert_close(rows(f"all{at}.npy")[:2], expected)


def test_a_deep_file_without_a_known_range_is_asked_about(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = deep(here / "deep", 4095, count=1)[0]
    Image.fromarray(np.floor(values * (255 / 4095) + 0.5).astype(np.uint8)).save("plain.png")
    model = fullrank.load("encoder.safetensors")
    with pytest.raises(UserError, match=r"0.png cannot be read \(more than 8 bits: .*pass span=\(LOW, HIGH\) to embed"):
        model.embed(["deep/0.png"])
    assert torch.equal(model.embed(["deep/0.png"], span=(0, 4095)), model.embed(["plain.png"]))
    command = ["embed", "encoder.safetensors", "deep/0.png", "--out", "z.npy", "--workers", "0"]
    assert main(command) == 2
    assert "--range LOW,HIGH decides" in " ".join(capsys.readouterr().err.split())
    assert not Path("z.npy").exists()
    assert main([*command, "--range", "0,4095"]) == 0
    torch.testing.assert_close(rows("z.npy"), model.embed(["plain.png"]))
