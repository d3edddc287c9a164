"""`fullrank neighbors` and `fullrank diagnose RUN --data`: look at what an encoder makes of images."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

import fullrank
from fullrank.cli import main
from fullrank.embeddings import open_embeddings
from fullrank.evaluation.nearest import nearest
from fullrank.nn import encoder, encoder_bytes
from tests.commands.test_embed import here

__all__ = ["here"]  # a fixture


@pytest.fixture
def embedded(here: Path) -> Path:
    for file in ("z.parquet", "z.npy"):
        embed(file)
    return here


def embed(file: str) -> None:
    assert main(["embed", "encoder.safetensors", "my photos", "--out", file, "--workers", "0"]) == 0


def test_the_nearest_rows_of_chunks_are_those_of_the_whole() -> None:
    generator = torch.Generator().manual_seed(0)
    rows, queries = torch.randn(50, 6, generator=generator), torch.randn(3, 6, generator=generator)
    cosines, places = nearest(queries, rows.split(7), 5)
    whole = torch.nn.functional.cosine_similarity(queries[:, None], rows[None], dim=2).topk(5)
    assert torch.equal(places, whole.indices)
    torch.testing.assert_close(cosines, whole.values)
    assert nearest(queries, [rows[:2]], 5)[1].shape == (3, 2)


@pytest.mark.parametrize("file", ["z.parquet", "z.npy", "s.safetensors", "r.zarr"])
def test_the_page_shows_images_and_needs_nothing_else(
    file: str, embedded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    extra = ["--images", "my photos"] if file == "z.npy" else []
    if not Path(file).exists():
        embed(file)
    assert main(["neighbors", file, "3", "wood/02 ä.png", "--k", "4", "--out", "similar.html", *extra]) == 0
    page = Path("similar.html").read_text(encoding="utf-8")
    assert page.count('src="data:image/jpeg;base64,') == 2 * 5
    assert re.findall(r'(?:src|href)="(?!data:)', page) == []
    z = torch.cat(list(open_embeddings(file).read(0, None)))
    names = sorted(str(path.relative_to("my photos")) for path in Path("my photos").rglob("*.png"))
    near = nearest(z[3:4], [z], 5)[1][0].tolist()
    assert near[0] == 3
    said = capsys.readouterr().out
    assert f"{names[3]}: {', '.join(names[at] for at in near[1:4])}, ... (" in said
    assert [page.index(f'name">{names[at]}<') for at in near] == sorted(
        page.index(f'name">{names[at]}<') for at in near
    )


def test_an_image_is_embedded_by_the_encoder_that_made_the_file(
    embedded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    query = "my photos/brick/05 ä.png"
    for file in ("s.safetensors", "r.zarr"):
        embed(file)
    for file in ("z.parquet", "s.safetensors", "r.zarr"):
        assert main(["neighbors", file, query, "--k", "2"]) == 0
        assert f"{query}: brick/05 ä.png, " in capsys.readouterr().out
    page = Path("neighbors.html").read_text(encoding="utf-8")
    assert "<b>1.000</b> brick" in page
    assert main(["neighbors", "z.npy", query]) == 2
    assert "z.npy does not name its encoder: pass --encoder" in capsys.readouterr().err
    assert main(["neighbors", "z.npy", query, "--encoder", "encoder.safetensors"]) == 0
    torch.manual_seed(1)
    Path("encoder.safetensors").write_bytes(
        encoder_bytes(encoder("tiny", image_size=16), mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))
    )
    assert main(["neighbors", "z.parquet", query]) == 2
    assert "is not the encoder that made z.parquet" in capsys.readouterr().err


def test_images_without_a_picture_are_counted_with_the_reason_and_the_flag(
    embedded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def seen(file: str, *flags: str) -> str:
        capsys.readouterr()
        assert main(["neighbors", file, "0", "--k", "3", *flags]) == 0
        page, said = Path("neighbors.html").read_text(encoding="utf-8"), " ".join(capsys.readouterr().out.split())
        assert ("not shown (" in page) == ("not shown (" in said)
        return said

    remedy = "--images names the folder of their files."
    assert f"4 of 4 images are not shown (the file does not say where they are): {remedy}" in seen("z.npy")
    Path("my photos").rename("elsewhere")
    gone = Path("my photos").resolve() / "brick/01 ä.png"
    assert f"4 of 4 images are not shown (there is no {gone}): {remedy}" in seen("z.parquet")
    assert "not shown" not in seen("z.parquet", "--images", "elsewhere")
    Path("elsewhere/brick/01 ä.png").write_bytes(b"no image")
    broken = "1 of 4 images is not shown (elsewhere/brick/01 ä.png cannot be read: no image inside)"
    assert broken in seen("z.parquet", "--images", "elsewhere")


def test_rows_that_are_not_finite_are_no_neighbors(embedded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    z = np.eye(4, dtype=np.float32)
    z[1, 0] = np.nan
    np.save("n.npy", z)
    Path("n.rows.csv").write_text("name\na.png\nb.png\nc.png\nd.png\n")
    assert main(["neighbors", "n.npy", "0"]) == 0
    said = capsys.readouterr().out
    assert "a.png: c.png, d.png\n" in said
    assert "Left out: 1 row with NaN or infinity." in said
    page = Path("neighbors.html").read_text(encoding="utf-8")
    assert "Left out: 1 row with NaN or infinity." in page
    assert "nan" not in re.findall(r"<b>(.*?)</b>", page)
    assert main(["neighbors", "n.npy", "b.png"]) == 2
    assert "Row 1 has NaN or infinity, so that nothing is near to it" in capsys.readouterr().err


def test_few_neighbors_are_listed_without_dots(embedded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save("one.npy", np.ones((1, 4), dtype=np.float32))
    Path("one.rows.csv").write_text("name\nfirst.png\n")
    assert main(["neighbors", "one.npy", "0"]) == 0
    assert "first.png: there is no other image\n" in capsys.readouterr().out
    np.save("two.npy", np.eye(2, 4, dtype=np.float32))
    Path("two.rows.csv").write_text("name\nfirst.png\nsecond.png\n")
    assert main(["neighbors", "two.npy", "0"]) == 0
    assert "first.png: second.png\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["z.parquet"], "Which images?"),
        (["z.parquet", "99"], "There is no row 99: pass 0 to 27"),
        (["z.parquet", "nowhere.jpg"], "nowhere.jpg is neither a row of the file nor an image"),
        (["nowhere.parquet", "0"], "There is no file nowhere.parquet"),
        (["bare.npy", "0"], "bare.npy has no bare.rows.csv beside it"),
        (["z.parquet", "0", "--images", "nowhere"], "--images nowhere is not a folder"),
        (
            ["z.parquet", "0", "--encoder", "nowhere"],
            "--encoder embeds images, and every query is a row of the file: leave it away.",
        ),
        (
            ["z.parquet", "0", "1", "--trust"],
            "--trust is about the encoder of images, and every query is a row of the file: leave it away.",
        ),
        (["z.parquet", "0", "--k", "0"], "--k 0 is not a number of neighbors"),
        (["z.parquet", "0", "--out", "no/where.html"], "name a file, in a folder that exists"),
        (["z.npy", "0", "--out", "z.npy"], "z.npy exists and is not a page, and would be replaced by one"),
    ],
)
def test_wrong_calls_are_one_sentence(
    arguments: list[str], sentence: str, embedded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save("bare.npy", np.ones((3, 4), dtype=np.float32))
    assert main(["neighbors", *arguments]) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.slow
def test_any_images_are_diagnosed_through_an_encoder(embedded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--json", "of.json", "--no-report"]
    code = main(["diagnose", "encoder.safetensors", "--data", "my photos", *out])
    content = json.loads(Path("of.json").read_text())
    assert (content["n"], content["dims"], content["where"]) == (28, 512, "backbone")
    assert content["classes"] == ["brick", "wood"]
    assert "28 images, 2 classes (brick, wood)" in capsys.readouterr().out
    z = fullrank.load("encoder.safetensors").embed(sorted(Path("my photos").rglob("*.png")))
    expected = fullrank.diagnose(z, labels=[name == "wood" for name in ["brick"] * 14 + ["wood"] * 14])
    assert content["verdict"] == expected.verdict
    found = {row["name"]: row["value"] for row in content["measurements"]}
    assert found["effective_rank"] == pytest.approx(expected.measurements["effective_rank"].value, rel=1e-4)
    assert code in (0, 1, 3)
    for flags, sentence in {
        ("--labels", "x.csv"): "--labels is of no use for images",
        ("--layer", "embedding"): "--data looks at the backbone",
    }.items():
        assert main(["diagnose", "encoder.safetensors", *flags, "--data", "my photos"]) == 2
        assert sentence in capsys.readouterr().err
