"""`fullrank embed` of files that are links, and of files that hold several images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageSequence

import fullrank
from fullrank.cli import main
from fullrank.embeddings import open_column
from fullrank.errors import UserError
from tests.commands.test_embed import flat, here, rows
from tests.data.files import noise

__all__ = ["here"]  # a fixture


def paged(path: Path, count: int = 3) -> list[Image.Image]:
    """A TIFF of so many pages, and its pages."""
    path.parent.mkdir(exist_ok=True)
    pages = [noise(20, 20, seed=seed) for seed in range(count)]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    return pages


def call(*arguments: str) -> int:
    return main(["embed", *arguments, "--workers", "0"])


def test_links_are_embedded_under_their_own_names(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They had the names of their targets, by which no query found them."""
    names = []
    for at, file in enumerate(sorted(Path("my photos").rglob("*.png"))):
        name = Path("linked") / file.relative_to("my photos")
        name.parent.mkdir(parents=True, exist_ok=True)
        target = here / "pool" / f"blob{at:03}"
        target.parent.mkdir(exist_ok=True)
        file.rename(target)
        name.symlink_to(target)
        names.append(str(name.relative_to("linked")))
    (here / "elsewhere").symlink_to("linked")
    for at, place in enumerate(("linked", "elsewhere", "pool/../linked", str(here / "linked"))):
        assert call("encoder.safetensors", place, "--out", f"z{at}.npy") == 0
        assert [*open_column(f"z{at}.rows.csv::name").names] == names
        assert main(["neighbors", f"z{at}.npy", names[3], "--images", "linked"]) == 0
    assert call("encoder.safetensors", "linked", "--out", "z.parquet") == 0
    assert main(["neighbors", "z.parquet", names[3]]) == 0
    assert "not shown" not in capsys.readouterr().out
    assert call("encoder.safetensors", *(f"linked/{name}" for name in names[:3]), "--out", "some.npy") == 0
    assert [*open_column("some.rows.csv::name").names] == [Path(name).name for name in names[:3]]


def test_names_lead_from_the_root_to_the_files_through_links(here: Path) -> None:
    """Where a link is followed by .., the folder above is that of its target."""
    Path("deep/er").mkdir(parents=True)
    Path("my photos").rename("deep/my photos")
    Path("short").symlink_to("deep/er")
    from pyarrow.parquet import read_table

    assert call("encoder.safetensors", "short/../my photos", "--out", "z.parquet") == 0
    table = read_table("z.parquet")
    about: dict[str, Any] = json.loads(table.schema.metadata[b"fullrank"])
    assert about["root"] == str(here / "deep" / "my photos")
    assert all((Path(about["root"]) / name).is_file() for name in table["name"].to_pylist())


def test_pages_of_a_file_that_is_named_itself_are_asked_about(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first one was embedded without a word, and --pages was refused."""
    pages = paged(here / "pages.tif")
    model = fullrank.load("encoder.safetensors")
    expected = model.embed(pages)
    noise(20, 20, seed=9).save("plain.png")
    assert call("encoder.safetensors", "plain.png", "pages.tif", "--out", "z.npy") == 2
    assert "1 of 2 files holds several images (first: pages.tif with 3): pass --pages first or --pages all" in flat(
        capsys
    )
    assert not Path("z.npy").exists()
    both = ["encoder.safetensors", "plain.png", "pages.tif", "--pages"]
    assert call(*both, "all", "--out", "all.npy") == 0
    assert "images: 4 images, no labels, no test set; 1 file of several pages" in " ".join(
        capsys.readouterr().out.split()
    )
    torch.testing.assert_close(rows("all.npy")[1:], expected)
    assert [*open_column("all.rows.csv::name").codes] == [1, 0, 0, 0]
    assert call(*both, "first", "--out", "first.npy") == 0
    torch.testing.assert_close(rows("first.npy")[1:], expected[:1])
    fullrank.embed(model, "pages.tif", out="api.npy", workers=0, pages="all")
    with pytest.raises(UserError, match="No data is named"):
        fullrank.embed(model, [], out="no.npy")
    torch.testing.assert_close(rows("api.npy"), expected)
    for wrong, sentence in (("every", "pages"), (None, "pass --pages first or --pages all")):
        with pytest.raises(UserError, match=sentence):
            fullrank.embed(model, "pages.tif", out="no.npy", pages=wrong)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="pages does not act on digits"):
        fullrank.embed(model, "digits", out="no.npy", pages="all")


def test_a_broken_page_is_found_before_anything_is_written(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paged(here / "pages.tif")
    whole = Path("pages.tif").read_bytes()
    Path("pages.tif").write_bytes(whole[: len(whole) - 900])
    assert call("encoder.safetensors", "pages.tif", "--pages", "all", "--out", "z.npy") == 2
    assert "pages.tif cannot be read" in flat(capsys)
    assert not Path("z.npy").exists()


def test_a_model_is_not_given_a_file_of_several_images(here: Path) -> None:
    pages = paged(here / "pages.tif")
    model = fullrank.load("encoder.safetensors")
    with pytest.raises(UserError, match=r"^Image 1: pages\.tif holds 3 images: pass each as a PIL image or a tensor"):
        model.embed([pages[0], "pages.tif"])
    with Image.open("pages.tif") as image:
        torch.testing.assert_close(model.embed([*ImageSequence.all_frames(image)]), model.embed(pages))


@pytest.mark.slow
def test_a_run_reads_the_pages_of_a_file_as_those_of_its_own(here: Path) -> None:
    for at in range(3):
        paged(here / "paged" / f"{at}.tif")
    few: dict[str, Any] = {"steps": 2, "batch_size": 4, "projector": (8, 4), "workers": 0, "image_size": 32}
    fullrank.train("simclr", data="paged", pages="all", out="run", **few)
    assert call("run", "paged/0.tif", "--out", "z.npy") == 0
    assert len(rows("z.npy")) == 3
