"""`fullrank diagnose RUN`: the verdicts over training, and both layers at the end."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import fullrank
from fullrank.cli import main
from fullrank.diagnosis.training import diagnose_run, looks_of, over_training, profile_of
from fullrank.runs import read_rows
from fullrank.runs.probe import read_probe
from tests.cli.test_errors import sentence
from tests.commands.test_diagnose import report

SMALL = ["--data", "digits", "--image-size", "16", "--steps", "2", "--probe", "100", "--batch-size", "8"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two steps."""
    run = tmp_path_factory.mktemp("trained") / "run"
    assert main(["train", "intl", *SMALL, "--monitor-every", "1", "--out", str(run)]) == 0
    return run


@pytest.fixture
def run(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, in the current folder."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained, "run")
    return Path("run")


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["backbone", "embedding"])
def test_the_numbers_are_those_of_the_training(layer: str, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["diagnose", "run/", "--layer", layer])
    out = capsys.readouterr().out
    assert "Over training" in out
    content = report("run")
    assert content["read_as"] in out
    told = json.loads((run / "result.json").read_text())["collapse"][layer]
    found = {row["name"]: row["value"] for row in content["measurements"]}
    assert (content["where"], content["n"], content["dims"]) == (layer, told["n"], told["dims"])
    for name in ("relative_spread", "effective_rank", "participation_ratio", "mean_cosine"):
        # the training's is that of its 100 rows; the report's is without the bias of so few
        assert found[name] == pytest.approx(told[name], rel=0.1), name
    rows = read_probe(run)
    of_rows = fullrank.diagnose(getattr(rows, layer), labels=rows.labels, profile="non-contrastive").to_json()
    assert [one | {"which": []} for one in of_rows["measurements"]] == [
        one | {"which": []} for one in content["measurements"]
    ]
    assert of_rows["figures"] == content["figures"]
    assert content["beside"]["where"] == {"backbone": "embedding", "embedding": "backbone"}[layer]
    assert content["verdict"] == "early"
    assert content["sentence"].startswith("Too early to judge (2 steps, ")
    size = f"100 rows of {told['dims']} dimensions (float32), the {layer} at step 2, in 10 classes."
    assert content["read_as"] == f"Read run/probe.npz: {size}"
    assert content["training"][-1]["step"] == 2
    assert content["training"][-1]["effective_rank"] == told["effective_rank"]
    assert len(content["classes"]) == 10
    assert 'id="training"' in Path("run-diagnosis/report.html").read_text()


@pytest.mark.slow
def test_a_collapse_over_training_is_told_by_the_thresholds_of_the_monitor(run: Path) -> None:
    lines = (run / "metrics.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    rows[-1 if rows[-1]["kind"] == "monitor" else -2]["embedding"] |= {"relative_spread": 0.001, "mean_cosine": 1.0}
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    told = over_training(looks_of(read_rows(run / "metrics.jsonl")), profile_of("intl"))
    assert (told[-1]["where"], told[-1]["verdict"], told[-1]["kind"]) == ("embedding", "collapsed", "complete")
    assert told[0]["verdict"] != "collapsed"


@pytest.mark.slow
def test_the_last_row_over_training_is_the_verdict_though_the_monitor_had_not_asked_all_rules(run: Path) -> None:
    looks = [
        {**look, "step": 400 * at, "epoch": 9.0}
        for at, look in enumerate(looks_of(read_rows(run / "metrics.jsonl")), 1)
    ]
    generator = torch.Generator().manual_seed(0)
    tight = torch.randn(4, 64, generator=generator)[torch.arange(100) % 4]
    rows = (tight + 1e-3 * torch.randn(100, 64, generator=generator)).numpy()
    kept = replace(read_probe(run), backbone=rows, embedding=rows, step=looks[-1]["step"])
    made = diagnose_run(kept, looks, profile=profile_of("intl"), source="run", layer="embedding")
    assert made.kind == "cluster"  # which no number of a monitor row tells
    told = over_training(looks, profile_of("intl"), "embedding", end=(kept.step, made))
    assert (told[-1]["verdict"], told[-1]["kind"], told[-1]["sentence"]) == (made.verdict, "cluster", made.sentence)
    assert told[:-1] == over_training(looks, profile_of("intl"), "embedding")[:-1]
    assert over_training(looks, profile_of("intl"), "embedding")[-1]["kind"] != "cluster"


def test_what_is_wrong_with_a_run_is_one_sentence(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for flag, value in (("--labels", "x.npy"), ("--loss", "w2=1"), ("--batch-size", "8"), ("--views", "2")):
        assert f"{flag} is of no use for a run" in sentence(["diagnose", "run", flag, value], capsys)
    (run / "probe.npz").write_bytes(b"PK no")
    assert "probe.npz is damaged" in sentence(["diagnose", "run"], capsys)
    (run / "probe.npz").unlink()
    assert "run keeps no rows of its last look" in sentence(["diagnose", "run"], capsys)


@pytest.mark.slow
def test_a_run_is_read_without_its_recipe_data_or_checkpoint(run: Path) -> None:
    before = main(["diagnose", "run", "--json", "before.json"])
    shutil.rmtree(run / "checkpoints")
    (run / "encoder.safetensors").unlink()
    Path("recipe.py").write_text("from pathlib import Path\nPath('executed').touch()\nraise RuntimeError\n")
    config = json.loads((run / "config.json").read_text())
    config["recipe"], config["settings"]["data"] = str(Path("recipe.py").resolve()), "gone.npz"
    (run / "config.json").write_text(json.dumps(config))
    assert main(["diagnose", "run", "--json", "after.json"]) == before
    assert Path("after.json").read_text() == Path("before.json").read_text()
    assert not Path("executed").exists()
