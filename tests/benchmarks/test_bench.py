"""The bench: one cell at a size of seconds, resuming, and its page, which says what the files say."""

from __future__ import annotations

import json
import os
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from benchmarks.bench import search
from benchmarks.bench.__main__ import main
from benchmarks.bench.cells import exit_code
from benchmarks.bench.images import whole
from benchmarks.bench.peers import PEERS
from docs.build.agreement import agreement
from docs.build.bench import GRAY, MARKS, RESULTS, SEARCH, SET, page, read
from fullrank import recipes
from fullrank.data import Dataset, load_dataset
from fullrank.data.images import ImageTensor
from fullrank.errors import UserError


@pytest.mark.slow
def test_the_page_is_what_its_builder_writes() -> None:
    """After new cells: python -m docs.build.bench."""
    assert (RESULTS / "README.md").read_text(encoding="utf-8") == page()


def test_every_recipe_and_every_mark_has_a_cell_whose_name_is_its_file() -> None:
    for of, count in ((SET, 5), (GRAY, 3)):
        about, cells = read(RESULTS / of)
        assert {cell["name"] for cell in cells} - {*PEERS, "imagenet"} == {*recipes.names(), *MARKS} - {"imagenet"}
        seeds = Counter(cell["name"] for cell in cells)
        assert {seeds[name] for name in recipes.names()} == {count}
        for cell in cells:
            assert (RESULTS / of / f"{cell['name']}-{cell['seed']}.json").is_file()
            assert 0 < cell["knn"] < 1
            assert 0 < cell["linear"] < 1
        assert about["seconds"] == 8


def test_every_recipe_was_searched_alike_on_training_images() -> None:
    about, cells = read(RESULTS / SEARCH)
    bench, _ = read(RESULTS / SET)
    assert about["train"] + about["held_out"] == bench["train"]
    assert Counter((cell["name"], cell["times"]) for cell in cells) == Counter(
        (name, times) for name in recipes.names() for times in search.RATES
    )


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Two classes of 24 training and 8 test images, which differ in their brightness."""
    random = np.random.default_rng(0)
    for split, count in (("train", 24), ("test", 8)):
        for bright, name in enumerate(("dark", "light")):
            for at in range(count):
                path = tmp_path / "images" / split / name / f"{at}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                pixels = random.integers(90 * bright, 90 * bright + 160, (8, 8, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(path)
    return tmp_path / "images"


def figures(images: Path) -> Path:
    """Six figures of four training images each in a class, as sets of sprites tell them."""
    file = images.with_name("figures.csv")
    places = [path.relative_to(images) for path in sorted((images / "train").rglob("*.png"))]
    file.write_text("".join(f"{place.as_posix()},figure {int(place.stem) // 4}\n" for place in places))
    return file


def test_no_figure_is_learned_from_and_asked_about(images: Path) -> None:
    dataset = load_dataset(str(images))
    known, read_once = search.figures_of(dataset, figures(images)), whole(dataset, 8)
    split = search.held_out(read_once, known)
    assert (len(split.train.labels), len(split.test.labels)) == (40, 8)
    for part in (split.train, split.test):
        assert part.labels.unique().tolist() == [0, 1]
    every = read_once.train.images
    asked = {known[row] for row in range(48) if any(torch.equal(every[row], one) for one in split.test.images)}
    assert len(asked) == 1
    with pytest.raises(UserError, match=r"has no figure of train/dark/0\.png"):
        search.figures_of(dataset, Path(__file__))


@pytest.mark.parametrize("unlabeled", ["train", "test"])
@pytest.mark.parametrize("labels", [None, torch.tensor([0, 1, -1])])
def test_images_without_a_label_are_refused(unlabeled: str, labels: Tensor | None) -> None:
    pixels = torch.zeros(3, 1, 8, 8, dtype=torch.uint8)
    sets = {part: ImageTensor(pixels, torch.tensor([0, 1, 0]), ("a", "b")) for part in ("train", "test")}
    sets[unlabeled] = ImageTensor(pixels, labels, ("a", "b"))
    with pytest.raises(UserError, match="mine has images without a label"):
        whole(Dataset("mine", sets["train"], sets["test"], (0.5,), (0.25,)), 8)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--images", "nowhere"], "neither a built-in data set nor an existing path"),
        (["--images", "digits", "--only", "simcrl"], "--only simcrl: did you mean simclr?"),
        (["--images", "digits", "--size", "0"], "pass 1 or more"),
        (["--images", "digits", "--seeds", "0"], "pass 1 or more"),
        (["--images", "digits", "--seconds", "-1"], "--seconds must be positive, got -1.0."),
        (["--images", "IMAGES/train/dark"], "has no test images: pass a folder with train/CLASS and test/CLASS"),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: list[str], words: str, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [*(word.replace("IMAGES", str(images)) for word in arguments), "--out", str(tmp_path / "out")]
    assert exit_code(lambda: main(given)) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_figures_that_hold_nothing_out_are_refused(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bench.json").write_text('{"size": 8, "seconds": 1}')
    known = figures(images)
    said = []
    for text in (known.read_text().replace("figure 5", "figure 0"), "train/dark/0.png\n", "\xff"):
        known.write_bytes(text.replace("figure 4", "figure 0").replace("figure 3", "figure 0").encode("latin-1"))
        given = ["--images", str(images), "--figures", str(known), "--bench", str(tmp_path), "--out", "nowhere"]
        assert exit_code(partial(search.main, given)) == 2
        said.append(capsys.readouterr().err)
    assert [
        words in line for words, line in zip(("No class has four", "has no figure of", "is no text"), said, strict=True)
    ]
    given = ["--images", "digits", "--figures", str(known), "--bench", "nowhere", "--out", "nowhere"]
    assert exit_code(lambda: search.main(given)) == 2
    assert "is not the folder of a bench" in capsys.readouterr().err
    assert not Path("nowhere").exists()


@pytest.mark.slow
def test_a_bench_that_was_stopped_goes_on_and_another_does_not_mix(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    given = ["--images", str(images), "--size", "8", "--out", str(out), "--seconds", "0.01", "--seeds", "1"]
    main([*given, "--only", "untrained"])
    first = (out / "untrained-0.json").stat().st_mtime_ns
    main([*given, "--only", "untrained", "simclr", "pixels"])
    assert (out / "untrained-0.json").stat().st_mtime_ns == first
    cell = json.loads((out / "simclr-0.json").read_text(encoding="utf-8"))
    assert (cell["name"], cell["seed"], cell["of"], cell["steps"]) == ("simclr", 0, "recipe", 1)
    for space in ("backbone", "embedding"):
        assert {"effective_rank", "relative_spread", "w2_uniformity", "lidar", "nesum", "verdict"} <= set(cell[space])
    assert json.loads((out / "pixels-0.json").read_text(encoding="utf-8"))["linear"] > 0.9
    held = ["--images", str(images), "--bench", str(out), "--out", str(tmp_path / "search"), "--only", "simclr"]
    search.main([*held, "--figures", str(figures(images))])
    rates = {json.loads(path.read_text(encoding="utf-8"))["lr"] for path in (tmp_path / "search").glob("simclr-*.json")}
    assert rates == {times * cell["lr"] for times in search.RATES}
    assert "FULLRANK_RUN" not in os.environ  # the next training of this process would take that folder for its own
    with pytest.raises(UserError, match="is of another bench"):
        main([*given, "--seconds", "1", "--only", "pixels"])


def test_nothing_is_begun_after_the_time_that_was_given(images: Path, tmp_path: Path) -> None:
    main(["--images", str(images), "--size", "8", "--out", str(tmp_path / "out"), "--until", "00:00"])
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["bench.json"]


@pytest.mark.slow
def test_agreement_is_kendalls_tau_and_its_interval_covers_what_is_not_there() -> None:
    random = np.random.default_rng(0)
    names = [str(at) for at in range(30)]
    covered = 0
    for _ in range(60):
        x, y = random.normal(size=(2, 30)).tolist()
        tau, low, high = agreement(x, y, names, within=False)
        covered += low <= 0 <= high
        pairs = [(x[i] - x[j]) * (y[i] - y[j]) > 0 for i in range(30) for j in range(i)]
        assert tau == pytest.approx(2 * np.mean(pairs) - 1)
    assert covered >= 52


def test_within_recipes_only_their_own_trainings_are_ordered() -> None:
    """Across the order is turned around, within it is the same."""
    x = [10.0 * recipe + seed for recipe in range(6) for seed in range(3)]
    y = [-10.0 * recipe + seed for recipe in range(6) for seed in range(3)]
    names = [str(recipe) for recipe in range(6) for _ in range(3)]
    assert agreement(x, y, names, within=True) == (1, 1, 1)
    assert agreement(x, y, names, within=False)[0] == -1
    few = [one if at < 12 else 0.0 for at, one in enumerate(x)]  # four recipes have anything to order
    assert np.isnan(agreement(few, y, names, within=True)).all()
