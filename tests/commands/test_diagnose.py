"""`fullrank diagnose` from outside: every flag, what is written, and the exit codes."""

from __future__ import annotations

import io
import json
import shlex
import sys
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import fastjsonschema
import numpy as np
import pytest

from fullrank.cli import main
from fullrank.embeddings import open_embeddings
from tests.cli.test_errors import sentence

SCHEMA = Path(__file__).parents[2] / "docs" / "diagnosis.schema.json"
ROWS = 200


@cache
def valid() -> Any:
    return fastjsonschema.compile(json.loads(SCHEMA.read_text(encoding="utf-8")))


def write(name: str, z: Any) -> str:
    np.save(name, np.asarray(z, dtype=np.float32))
    return name


def cloud(rows: int = ROWS, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=(rows, 8))


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with embeddings of every verdict."""
    monkeypatch.chdir(tmp_path)
    write("healthy.npy", cloud())
    write("point.npy", 9 + 1e-4 * cloud())
    write("few.npy", cloud(12))
    write("cone.npy", cloud() + 5 * (-1.0) ** np.arange(8))
    return tmp_path


def report(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((Path(f"{name}-diagnosis") / "report.json").read_text())
    valid()(content)
    return content


@pytest.mark.slow
def test_the_verdict_decides_the_exit_code_and_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diagnose", "point.npy"]) == 1
    said = capsys.readouterr().out
    assert said.startswith("point.npy: 200 rows, 8 dimensions\nCollapsed to a point")
    assert said.endswith("Report: point-diagnosis/report.html\n")
    assert "\x1b" not in said
    assert report("point")["kind"] == "complete"
    assert "Collapsed: complete" in (Path("point-diagnosis") / "report.html").read_text()


@pytest.mark.parametrize(
    ("name", "flags", "verdict", "code"),
    [
        ("healthy", [], "healthy", 0),
        ("few", [], "undetermined", 3),
        ("cone", [], "degraded", 0),
        ("cone", ["--fail-on", "warn"], "degraded", 1),
        ("cone", ["--fail-on", "warn", "--profile", "text"], "healthy", 0),
    ],
)
@pytest.mark.slow
def test_exit_codes(name: str, flags: list[str], verdict: str, code: int) -> None:
    assert main(["diagnose", f"{name}.npy", *flags]) == code
    assert report(name)["verdict"] == verdict


def test_json_alone_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diagnose", "healthy.npy", "--json", "-", "--no-report"]) == 0
    said = capsys.readouterr()
    content = json.loads(said.out)
    valid()(content)
    assert "No collapse" in said.err
    assert not Path("healthy-diagnosis").exists()


@pytest.mark.slow
def test_every_other_output_and_its_place() -> None:
    flags = ["--json", "z.json", "--junit", "z.xml", "--out", "deep/er"]
    assert main(["diagnose", "point.npy", *flags]) == 1
    assert json.loads(Path("z.json").read_text()) == json.loads(Path("deep/er/report.json").read_text())
    assert int(ElementTree.parse("z.xml").getroot().attrib["failures"]) >= 1
    assert Path("deep/er/report.html").is_file()


@pytest.mark.slow
def test_a_report_that_is_replaced_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    main(["diagnose", "point.npy"])
    capsys.readouterr()
    main(["diagnose", "point.npy"])
    assert "(in place of the one that was there)" in capsys.readouterr().out


@pytest.mark.slow
def test_labels_give_classes_and_their_names(capsys: pytest.CaptureFixture[str]) -> None:
    labels = np.arange(ROWS) % 4
    write("classes.npy", cloud() + 6 * np.eye(8)[labels])
    Path("labels.txt").write_text("".join(f"{'abcd'[label]}\n" for label in labels))
    assert main(["diagnose", "classes.npy", "--labels", "labels.txt"]) == 0
    assert "neighbors of the same class" in capsys.readouterr().out
    content = report("classes")
    assert (content["classes"], content["labeled"]) == (["a", "b", "c", "d"], True)
    assert "</b> c</li>" in (Path("classes-diagnosis") / "report.html").read_text()


@pytest.mark.parametrize("ending", ["npy", "csv"])
@pytest.mark.slow
def test_views_are_blocks_of_rows(ending: str) -> None:
    both = np.concatenate([cloud(), cloud() + 0.01 * cloud(seed=1)])
    write("both.npy", both)
    np.savetxt("both.csv", both, delimiter=",")
    assert main(["diagnose", f"both.{ending}", "--views", "2"]) == 0
    content = report("both")
    assert (content["n"], content["views"]) == (ROWS, 2)
    found = {row["name"]: row["value"] for row in content["measurements"]}
    assert found["view_retrieval"] == 1.0
    assert found["alignment"] < 0.01


@pytest.mark.slow
def test_groups_widen_the_interval() -> None:
    donors = np.arange(ROWS) % 10
    write("cells.npy", cloud() + 2 * cloud(10, seed=3)[donors])
    np.save("donors.npy", donors)
    widths = []
    for flags in ([], ["--groups", "donors.npy"]):
        main(["diagnose", "cells.npy", *flags])
        (row,) = [row for row in report("cells")["measurements"] if row["name"] == "mean_cosine"]
        widths.append(row["high"] - row["low"])
    assert widths[1] > 2 * widths[0]


@pytest.mark.slow
def test_a_loss_at_its_plateau_is_a_finding() -> None:
    flags = ["--loss", "infonce=5.5452", "--batch-size", "256"]
    assert main(["diagnose", "healthy.npy", *flags]) == 0
    assert "loss plateau" in [finding["rule"] for finding in report("healthy")["findings"]]
    assert main(["diagnose", "healthy.npy", "--loss", "barlow_twins=8", "--fail-on", "warn"]) == 1


@pytest.mark.slow
def test_a_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    content = io.TextIOWrapper(io.BytesIO(Path("point.npy").read_bytes()))
    monkeypatch.setattr(sys, "stdin", content)
    assert main(["diagnose", "-"]) == 1
    assert report("stdin")["source"] == "standard input"


@pytest.mark.slow
def test_the_seed_draws_the_sample() -> None:
    values = []
    for seed in ("0", "1"):
        main(["diagnose", "healthy.npy", "--seed", seed])
        values.append({row["name"]: row["value"] for row in report("healthy")["measurements"]}["sigreg"])
    assert values[0] != values[1]


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["none.npy"], "There is no file none.npy"),
        (["hostile.npy"], "holds objects, which only unpickling could read"),
        (["cut.npy"], "is cut off"),
        (["table.jsonl"], "holds single numbers by name: save it as .csv or .parquet"),
        (["nan.npy"], "Row 3 contains NaN"),
        (["healthy.npy", "--profile", "generik"], "did you mean generic"),
        (["healthy.npy", "--views", "3"], "has 200 rows, which are not 3 views"),
        (["healthy.npy", "--views", "0"], "--views 0 is too small"),
        (["healthy.npy", "--trust"], "--trust acts with --data only: leave it out, or pass the images to encode"),
        (["run", "--trust"], "--trust acts with --data only: leave it out, or pass the images to encode"),
        (["healthy.npy", "--labels", "kind"], "a column of a table is named with its file, as in z.csv::kind"),
        (["healthy.npy", "--labels", "few.txt"], "few.txt holds 2 labels for 200 samples"),
        (["healthy.npy", "--labels", "same.txt"], "same.txt holds one class only"),
        (["healthy.npy", "--groups", "none.txt"], "There is no file none.txt"),
        (["healthy.npy", "--loss", "infonce"], "write it as infonce=5.54"),
        (["healthy.npy", "--loss", "infonce=5.5"], "The plateau of infonce depends on --batch-size: pass it too."),
        (["none.npy", "--loss", "infonce=5.5", "--batch-size", "1"], "--batch-size 1 is too small: pass 2 or more"),
        (["healthy.npy", "--loss", "infonse=5.5", "--batch-size", "8"], "infonce"),
        (["healthy.npy", "--json", "no/where.json"], "name a file, in a folder that exists"),
        (["healthy.npy", "--out", "few.txt"], "few.txt is a file"),
        (["-", "--views", "2"], "Standard input is read once"),
        (["empty"], "empty is a folder with no file that can be read"),
        ([".", "--layer", "backbone"], "--layer is of use for the folder of a run only, and . is none"),
        (["healthy.npy", "--batch-size", "8"], "pass --loss too"),
        (["none.npy", "--loss", "infonce=5", "--margin", "1"], "does not depend on --margin"),
        (["none.npy", "--loss", "w2=1", "--local-batch", "8"], "does not depend on --local-batch"),
        (["none.npy", "--out", "x", "--no-report"], "pass one of them"),
    ],
)
def test_bad_input_is_one_sentence(flags: list[str], expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    np.save("hostile.npy", np.array([{}, 1], dtype=object), allow_pickle=True)
    Path("cut.npy").write_bytes(Path("healthy.npy").read_bytes()[:-9])
    write("nan.npy", np.where(np.arange(80).reshape(10, 8) == 27, np.nan, 0.5))
    Path("table.jsonl").write_text('{"f0": 0.5, "f1": 2.5, "name": "a"}\n')
    Path("empty").mkdir()
    Path("few.txt").write_text("a\nb\n")
    Path("same.txt").write_text("a\n" * ROWS)
    assert expected in sentence(["diagnose", *flags], capsys)


def test_views_of_chunks_of_other_lengths_stay_together(monkeypatch: pytest.MonkeyPatch) -> None:
    from fullrank.commands._reading import stacked

    monkeypatch.setattr("fullrank.embeddings.source.CHUNK", 7 * 8 * 4)
    both = np.arange(60 * 8).reshape(60, 8)
    file = open_embeddings(write("counted.npy", both))
    chunks = [chunk.numpy() for chunk in stacked(file, 20, 3)]
    assert len(chunks) == 3
    np.testing.assert_array_equal(np.concatenate(chunks, 1), both.reshape(3, 20, 8))


@pytest.mark.slow
def test_the_columns_that_are_read_and_left_out_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [f"{i},{a},{b},{c},{i % 2}.0" for i, (a, b, c) in enumerate(cloud()[:, :3])]
    Path("z.csv").write_text("\n".join([",a,b,c,donor", *lines]))
    main(["diagnose", "z.csv", "--groups", "z.csv::donor"])
    left = "the first column (an index), donor (labels or groups)"
    read = f"Read z.csv: 200 rows of 3 dimensions (float64), from a, b, c; left out: {left}."
    assert capsys.readouterr().out.startswith(f"{read}\n")
    assert report("z")["read_as"] == read
    assert read in Path("z-diagnosis/report.html").read_text()


@pytest.mark.slow
def test_rows_that_are_left_out_were_read_too() -> None:
    z = cloud()
    z[:3] = 0
    main(["diagnose", write("empty.npy", z)])
    assert report("empty")["read_as"] == "Read empty.npy: 200 rows of 8 dimensions (float32)."
    assert report("empty")["n"] == 197


@pytest.mark.slow
def test_labels_of_shards_are_no_dimensions(capsys: pytest.CaptureFixture[str]) -> None:
    Path("parts").mkdir()
    for part in range(2):
        lines = [f"{a},{b},{c},{i % 2}.0" for i, (a, b, c) in enumerate(cloud(seed=part)[:, :3])]
        Path(f"parts/{part}.csv").write_text("\n".join(["a,b,c,kind", *lines]))
    main(["diagnose", "parts", "--labels", "parts/*.csv::kind"])
    read = "400 rows of 3 dimensions (float64), from a, b, c of 2 files from 0.csv to 1.csv; left out: kind (labels or"
    assert read in capsys.readouterr().out
    assert report("parts")["classes"] == ["0", "1"]


def test_the_pattern_that_is_suggested_for_a_folder_finds_its_files(capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path("it's a [1]")
    folder.mkdir()
    np.save(folder / "z.npy", np.random.default_rng(0).normal(size=(ROWS, 8)))
    (folder / "ids.csv").write_text("id\n1\n")
    said = sentence(["diagnose", str(folder)], capsys)
    pattern = said.partition("a pattern such as ")[2].strip().removesuffix(".")
    assert main(["diagnose", *shlex.split(pattern), "--no-report"]) == 0
