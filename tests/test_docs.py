"""What the documentation shows is run."""

from __future__ import annotations

import json
import re
import runpy
import shlex
import subprocess
from dataclasses import fields
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from docs.build import color
from docs.build import fashion_mnist as table
from docs.build import pretrained as pretrained_table
from docs.build import settings as settings_tables
from fullrank.cli import main
from fullrank.data import DataOptions
from fullrank.embeddings.files import ENDINGS
from tests.data.trees import tree, understood

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
WATCHING = (ROOT / "docs" / "watching.md").read_text(encoding="utf-8")
DIAGNOSIS = (ROOT / "docs" / "diagnosis.md").read_text(encoding="utf-8")
TRANSFER = (ROOT / "docs" / "transfer.md").read_text(encoding="utf-8")
IN_AND_OUT = (ROOT / "docs" / "in_and_out.md").read_text(encoding="utf-8")
DATA = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
PAGES = README + ARCHITECTURE + WATCHING + DIAGNOSIS + IN_AND_OUT + DATA + TRANSFER
SHORT = ["--steps", "2", "--probe", "40", "--batch-size", "8"]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def commands(text: str) -> list[list[str]]:
    lines = [line for block in blocks(text, "bash") for line in block.replace("\\\n", " ").splitlines()]
    return [shlex.split(line, comments=True) for line in lines if line.strip() and not line.strip().startswith("#")]


def photos(folder: Path) -> None:
    for kind in ("cats", "dogs"):
        (folder / kind).mkdir(parents=True)
        for number in range(10):
            array = np.random.default_rng(number).integers(0, 255, (40, 48, 3), dtype=np.uint8)
            Image.fromarray(array).save(folder / kind / f"{number}.jpg")


def embeddings(folder: Path) -> None:
    z = np.random.default_rng(0).normal(size=(200, 8)).astype(np.float32)
    for name in ("embeddings", "old", "new"):
        np.save(folder / f"{name}.npy", z)
    (folder / "labels.csv").write_text("id,label\n" + "".join(f"{at},{z[at, 0] > 0}\n" for at in range(200)))


def test_the_readme_names_every_kind_of_file_that_is_read() -> None:
    assert [kind for kind in ENDINGS if f"`{kind}`" not in README] == []


def test_readme_is_short() -> None:
    assert README.count("\n") < 150


@pytest.mark.slow
@pytest.mark.parametrize("code", blocks(PAGES, "python"), ids=lambda code: code[:30])
def test_python_examples_run(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "example.py").write_text(code)
    runpy.run_path("example.py", run_name="example")


@pytest.mark.slow
def test_fullrank_commands_of_the_readme_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the order of the page; trainings are cut to two small steps on digits or on photos that are made up."""
    monkeypatch.chdir(tmp_path)
    photos(tmp_path / "path" / "to" / "photos")
    embeddings(tmp_path)
    ours = [command[1:] for command in commands(README) if command[0] == "fullrank" and command[1] != "demo"]
    assert len(ours) >= 5
    for command in ours:
        short = SHORT if command[0] == "train" and "--resume" not in command else []
        if short:
            short = [*short, "--image-size", "64" if "resnet50" in command else "16"]
        command = ["digits" if word == "fashion-mnist" else word for word in command]
        assert main([*command, *short]) == 0, command
    assert "relative spread" in capsys.readouterr().out


@pytest.mark.slow
def test_commands_of_the_page_about_diagnosis_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    embeddings(tmp_path)
    assert [main(command[1:]) for command in commands(DIAGNOSIS)] == [0, 0]


@pytest.mark.slow
def test_commands_of_the_page_about_what_comes_in_and_goes_out_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From a folder of photographs to timm, ONNX, a table of embeddings and a page of neighbors, with commands only."""
    monkeypatch.chdir(tmp_path)
    photos(tmp_path / "made")
    for at, file in enumerate(sorted(Path("made").rglob("*.jpg"))):
        folder = Path("photos") / ("flower-00" if at % 2 else "palace-00")
        folder.mkdir(parents=True, exist_ok=True)
        file.rename(folder / f"{at // 2:02}.jpg")
    for command in commands(IN_AND_OUT):
        if command[1] == "train":
            command = [word for word in command if word not in ("--epochs", "5")] + SHORT
        assert main(command[1:]) in (0, 1, 3) if command[1] == "diagnose" else main(command[1:]) == 0, command
    assert {path.name for path in tmp_path.iterdir()} == {
        "made", "photos", "runs", "encoder-timm", "encoder-onnx", "z.parquet", "similar.html", "photos-diagnosis",
    }  # fmt: skip
    assert "photos/flower-00/00.jpg: flower-00/00.jpg, " in capsys.readouterr().out


def test_folders_are_understood_as_the_page_about_data_says(tmp_path: Path) -> None:
    rows = re.findall(r"^\| ((?:`[\w/]+`(?:, )?)+) \| (\d.*) \|$", DATA, re.M)
    assert len(rows) >= 8
    for number, (folders, line) in enumerate(rows):
        root = tree(tmp_path / str(number), *re.findall(r"`([\w/]+)`", folders))
        assert understood(root) == line.replace("\\", "")


def test_the_table_of_pretrained_weights_is_what_was_measured() -> None:
    assert pretrained_table.page() == pretrained_table.PAGE.read_text(encoding="utf-8"), "run `make docs`"


def test_the_page_about_data_names_every_flag_that_decides() -> None:
    flags = {f"--{field.name.replace('_', '-')}" for field in fields(DataOptions)}
    assert {flag for flag in flags if f"`{flag}" not in DATA} == set()


@pytest.mark.slow
def test_commands_of_the_page_about_transfer_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As they stand, but for shorter trainings."""
    monkeypatch.chdir(tmp_path)
    for command in commands(TRANSFER):
        at = command.index("--epochs") if "--epochs" in command else len(command)
        short = SHORT if command[1] == "train" else [] if at == len(command) else ["--epochs", "1"]
        assert main([*command[1:at], *command[at + 2 :], *short]) == 0, command
    pages = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("report.html"))
    assert pages == [
        "runs/few-labels/report.html", "runs/mine/report.html", "runs/mine/transfer/intl-cifar-digits/report.html",
        "runs/mine/transfer/suite-ours/digits/report.html", "runs/mine/transfer/suite-ours/report.html",
    ]  # fmt: skip
    assert "from scratch" in capsys.readouterr().out


def test_what_is_taught_is_imported_from_the_front_door_or_a_room() -> None:
    """The parts of a package file of one's own may name the files that they stand beside."""
    pages = [ROOT / "README.md", *(page for page in (ROOT / "docs").rglob("*.md") if page.name != "architecture.md")]
    taught = [line for page in pages for line in re.findall(r"^from (fullrank[\w.]*) import", page.read_text(), re.M)]
    assert len(taught) > 8
    for name in taught:
        assert (ROOT / name.replace(".", "/") / "__init__.py").is_file(), f"{name} is an inner file"


def test_make_targets_of_the_readme_exist() -> None:
    targets = [command[1] for command in commands(README) if command[0] == "make"]
    assert targets[:2] == ["demo", "test"]
    for target in targets:
        done = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=True)
        assert "fullrank demo" in done.stdout or "pytest" in done.stdout


@pytest.mark.slow
def test_a_recipe_of_ones_own_has_at_most_30_lines_and_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (recipe,) = [code for code in blocks(ARCHITECTURE, "python") if "class Mine(Recipe)" in code]
    assert recipe.count("\n") <= 30
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(recipe)
    flags = ["--data", "digits", "--image-size", "16", "--pull", "2", *SHORT]
    assert main(["train", "./mine.py", *flags, "--out", "run"]) == 0
    row = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-2])
    assert row["loss"] == pytest.approx(2 * row["terms"]["alignment"] + row["terms"]["w2"], rel=1e-5)


def test_the_table_in_color_is_what_the_result_files_say() -> None:
    assert color.filled(README) == README, "run `make docs`"
    assert color.table().count("\n") == 2 + len(color.ROWS)
    drawn = color.draw()
    ElementTree.fromstring(drawn)
    kept = (ROOT / "docs" / "pictures" / "color.svg").read_text(encoding="utf-8")
    # Another matplotlib may round otherwise.
    assert len(kept) == pytest.approx(len(drawn), rel=0.05), "run `make docs`"


def test_the_table_of_all_recipes_is_what_the_generator_writes() -> None:
    assert (table.RESULTS / "README.md").read_text(encoding="utf-8") == table.page(), "run `make docs`"


def test_the_tables_of_chosen_settings_are_what_the_generator_writes() -> None:
    assert settings_tables.page() == (ROOT / "docs" / "results" / "settings" / "README.md").read_text(encoding="utf-8")
