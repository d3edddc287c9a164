"""The front door: instant, complete, typed; a training, its score and its encoder from Python."""

from __future__ import annotations

import ast
import html
import importlib
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any, assert_type

import pytest
import torch

import fullrank
from fullrank.detection.api import Detection
from fullrank.diagnosis.comparison import Comparison
from fullrank.diagnosis.report import Report
from fullrank.errors import UserError
from fullrank.evaluation.model import Model
from fullrank.recipes.vicreg import VICReg
from fullrank.runs.run import Run
from fullrank.transfer.api import Finetuned


def run_alone(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


def test_importing_and_listing_load_no_torch() -> None:
    program = "import sys, fullrank; print(dir(fullrank)); print({'torch', 'numpy', 'lightning'} & set(sys.modules))"
    listed, heavy = run_alone(program).splitlines()
    assert all(repr(name) in listed for name in fullrank.__all__)
    assert heavy == "set()"


def test_every_listed_name_is_there() -> None:
    wanted = [
        "train",
        "evaluate",
        "load",
        "embed",
        "export",
        "diagnose",
        "compare",
        "losses",
        "metrics",
        "nn",
        "watch",
        "testing",
        "recipes",
        "__version__",
    ]
    assert set(wanted) <= set(fullrank.__all__)
    assert all(getattr(fullrank, name) is not None for name in fullrank.__all__)
    assert fullrank.__version__ == version("fullrank")
    with pytest.raises(AttributeError, match="has no attribute 'lossess'"):
        fullrank.lossess  # noqa: B018


def test_every_listed_name_is_typed_and_is_what_type_checkers_see() -> None:
    tree = ast.parse(Path(fullrank.__file__).read_text(encoding="utf-8"))
    (typed,) = [node for node in tree.body if isinstance(node, ast.If)]
    imported = {
        alias.asname: (node.module, alias.name)
        for node in typed.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert set(fullrank.__all__) <= {*imported, "__version__"}
    for name, (module, inner) in imported.items():
        assert name == inner
        assert getattr(fullrank, name) is getattr(importlib.import_module(str(module)), inner)


def what_a_user_gets(z: torch.Tensor) -> None:
    """Never run: `mypy --strict` reads it as a user's file."""
    assert_type(fullrank.train("vicreg", data="digits"), Run)
    assert_type(fullrank.resume("run"), Run)
    assert_type(fullrank.evaluate("run"), dict[str, Any])
    assert_type(fullrank.load("run"), Model)
    assert_type(fullrank.embed("run", "digits", out="z.npy"), Path)
    assert_type(fullrank.export("run", "timm", out="exported"), Path)
    assert_type(fullrank.finetune("run", labels=0.1), Finetuned)
    assert_type(fullrank.detect("run", train="train.json", val="val.json"), Detection)
    assert_type(fullrank.diagnose(z), Report)
    assert_type(fullrank.compare(z, z), Comparison)
    assert_type(fullrank.gather(z), torch.Tensor)
    assert_type(fullrank.losses.vicreg(z)["loss"], torch.Tensor)
    assert_type(fullrank.metrics.effective_rank(z), float)
    assert_type(fullrank.__version__, str)


@pytest.mark.slow
def test_rooms_are_there_after_a_bare_import() -> None:
    program = "import fullrank, torch; print(float(fullrank.losses.w2(torch.ones(2, 8, 4))['loss']) ** 2)"
    assert float(run_alone(program)) == pytest.approx(2)


@pytest.mark.slow
def test_a_training_from_python_is_quiet_and_gives_a_run_a_score_and_an_encoder(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    flags: dict[str, Any] = {"image_size": 8, "steps": 4, "batch_size": 32, "projector": (16, 8), "monitor_every": 2}
    run = fullrank.train("vicreg", data="digits", out=tmp_path / "run", **flags)
    assert [look.step for look in run.monitor] == [0, 2, 4]
    assert capfd.readouterr().out == ""
    assert (run.path, run.step, run.recipe) == (tmp_path / "run", 4, "vicreg")
    assert (run.path / "report.html").is_file()
    assert run.result is not None
    assert run.result.sentence in run._repr_html_()
    assert repr(run) == f"Run({str(run.path)!r}, 'vicreg': {run.result.sentence})"
    score = fullrank.evaluate(run)
    assert 0.1 < score["knn"] <= 1
    features = fullrank.load(run)(torch.zeros(2, 1, 8, 8, dtype=torch.uint8))
    assert (
        features.shape
        == fullrank.load(str(run.path / "encoder.safetensors"))(torch.zeros(2, 1, 8, 8, dtype=torch.uint8)).shape
    )


@pytest.mark.slow
def test_a_recipe_with_its_settings_is_noted_by_its_name(tmp_path: Path) -> None:
    recipe = VICReg(data="digits", image_size=8, steps=2, batch_size=32, projector=(8,), covariance=2.0)
    run = fullrank.train(recipe, out=tmp_path / "run")
    assert run.recipe == "vicreg"
    assert run.settings["covariance"] == 2.0


def test_an_unknown_setting_is_named_with_the_closest() -> None:
    with pytest.raises(UserError, match="The recipe vicreg has no setting batchsize: did you mean batch_size"):
        fullrank.train("vicreg", batchsize=3)


def test_a_diagnosis_shows_itself_in_a_notebook() -> None:
    report = fullrank.diagnose(torch.ones(100, 8))
    assert report.sentence in report._repr_html_()
    assert "complete collapse" in report._repr_html_()


def test_a_comparison_shows_itself_in_a_notebook() -> None:
    z = torch.randn(200, 8, generator=torch.Generator().manual_seed(0))
    comparison = fullrank.compare(z, z * torch.tensor([1.0] + [0.1] * 7), expect="same-rows")
    assert comparison.outcome == "regressed"
    assert html.escape(comparison.sentence) in comparison._repr_html_()
    assert "<li>regressed: effective rank D1: 7.98 to 1.53.</li>" in comparison._repr_html_()
