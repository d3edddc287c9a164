"""Real embeddings whose answer is known, small enough to be here; benchmarks/real_embeddings.py has the large ones."""

from __future__ import annotations

import json
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from sklearn.datasets import load_digits
from torch import Tensor

import fullrank
from fullrank.diagnosis.profiles import PROFILES
from fullrank.embeddings import open_embeddings
from fullrank.watch import Rules
from fullrank.watch.early_warning import Watcher

RESULTS = Path(__file__).parents[2] / "docs" / "results" / "diagnosis"
PAGE = (RESULTS.parents[1] / "diagnosis.md").read_text(encoding="utf-8")
PARTS = ("pixels", "untrained", "sentences", "runs")


def sentences() -> Tensor:
    """Sentence embeddings (500, 384) of a well-trained model; data/README.md says of which."""
    (z,) = open_embeddings(str(Path(__file__).parent / "data" / "sentences.npy")).read(0, None)
    return z


def result(part: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((RESULTS / f"{part}.json").read_text(encoding="utf-8"))
    return content


@pytest.mark.slow
@pytest.mark.parametrize("profile", ["text", "generic", "contrastive"])
def test_no_alarm_on_good_sentence_embeddings(profile: str) -> None:
    report = fullrank.diagnose(sentences(), profile=profile)
    assert (report.verdict, report.findings) == ("healthy", ())


@pytest.mark.slow
def test_what_is_broken_in_them_is_named() -> None:
    z = sentences().double()
    x = z - z.mean(0)
    top = torch.linalg.svd(x, full_matrices=False).Vh[:8]
    assert fullrank.diagnose(z[0] + 1e-3 * x, profile="text").kind == "complete"
    assert fullrank.diagnose(x @ top.T @ top, profile="text").kind == "dimensional"
    assert fullrank.diagnose(z[torch.arange(500) % 200], profile="text").kind == "duplicates"
    rogue = x.clone()
    rogue[:, 7] += 2.0 * torch.randn(500, generator=torch.Generator().manual_seed(0))
    assert fullrank.diagnose(rogue, profile="text").kind == "head-dominated"


@pytest.mark.slow
def test_pixels_of_digits_are_a_cone_with_dimensions_that_never_change() -> None:
    z, labels = load_digits(return_X_y=True)
    report = fullrank.diagnose(z, labels=labels)
    assert report.verdict == "healthy"
    rules = {"cone of positive features", "dimensions that a ReLU left dead"}
    assert {finding.rule for finding in report.findings} == rules
    constant = float((z.std(0) == 0).mean())
    assert report.measurements["dead_dimensions"].value == pytest.approx(constant) == 3 / 64


@pytest.mark.slow
def test_an_untrained_resnet_is_collapsed_and_its_zeros_are_counted() -> None:
    images = torch.from_numpy(load_digits().images[:200]).float()[:, None] / 16
    torch.manual_seed(0)
    network = timm.create_model("resnet18", num_classes=0, in_chans=1).eval()
    with torch.inference_mode():
        z = network(torch.nn.functional.interpolate(images, size=32))
    report = fullrank.diagnose(z)
    assert report.verdict == "collapsed"
    few = next(one for one in report.findings if one.rule == "dimensional collapse")
    assert (few.severity, "untrained network" in str(few.advice.causes)) == ("fail", True)
    zeros = float((z == 0).all(1).float().mean())
    assert report.measurements["zero_rows"].value == pytest.approx(zeros)
    assert "rows of zeros" in {finding.rule for finding in report.findings}


@pytest.mark.parametrize("part", PARTS)
def test_the_kept_results_are_right_and_on_the_page(part: str) -> None:
    for case in result(part)["cases"]:
        assert case["verdict"] in case["true"], case["name"]
        assert f"| {case['name']} | {case['n']:,} x {case['dims']} | {case['verdict']}" in PAGE


def test_the_alarm_came_before_the_accuracy_fell() -> None:
    readings = result("runs")["readings"]
    collapsing = readings["invariance, 60 steps"]
    first = next(row for row in collapsing if row["embedding"].startswith("collapsed"))
    before = [row["knn"] for row in takewhile(lambda row: row is not first, collapsing)]
    assert first["knn"] >= max(before) - 0.02  # of 500 images: one standard error
    assert collapsing[-1]["knn"] < before[0] - 0.04
    intl = readings["intl, 60 steps"]
    assert intl[-1]["embedding"] == intl[-1]["backbone"] == "healthy"
    assert not any(row["embedding"].startswith("collapsed") for row in intl)


def alarms(name: str, grace: int, pace: int = 20) -> list[tuple[int, str, str]]:
    """Steps, rules and severities of what a monitor would have said of the embedding of a kept training."""
    watcher = Watcher(Rules(grace=grace, pace=pace), PROFILES["non-contrastive"])
    return [
        (row["step"], sign.rule, sign.severity)
        for row in result("runs")["readings"][name]
        for sign in watcher.read(row["step"], row["numbers"])[1]
    ]


def test_the_low_rank_at_the_start_of_simclr_is_real_and_raises_no_alarm() -> None:
    early = result("runs")["readings"]["simclr, 60 steps"]
    low = [row for row in early if row["embedding"].startswith("collapsed")]
    assert [row["step"] for row in low] == [8, 12]
    assert all(row["numbers"]["dims90"] <= 7 for row in low)  # of 256, without any model of the spectrum
    assert early[-1]["knn"] > early[0]["knn"] + 0.02
    assert alarms("simclr, 60 steps", grace=500) == []
    assert alarms("simclr, 60 steps", grace=0) == []
    assert alarms("simclr, 540 steps", grace=500) == []


def test_without_grace_the_collapse_fails_at_the_third_reading_of_a_point() -> None:
    failed = [step for step, _, severity in alarms("invariance, 60 steps", grace=0, pace=1) if severity == "fail"]
    assert failed[0] == 20  # one direction, a mean cosine above 0.99, from step 12 on, read every 4 steps
    assert all(severity != "fail" for _, _, severity in alarms("invariance, 60 steps", grace=0))  # by steps: too short
