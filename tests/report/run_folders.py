"""Synthetic run folders, as the training writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

STEPS = (0, 50, 100, 150, 200)
BACKBONE, EMBEDDING = 48, 32
CLASSES = ("shirt", "coat", "bag", "boot")


def eigenvalues(dims: int, decay: float) -> NDArray[np.float64]:
    return np.exp(-decay * np.arange(dims, dtype=np.float64))


def look(dims: int, decay: float, step: int) -> dict[str, float]:
    """Plausible numbers of one space: the rank falls with the decay."""
    p = eigenvalues(dims, decay * (1 + step / 100))
    p /= p.sum()
    rank = float(np.exp(-(p * np.log(p)).sum()))
    return {
        "relative_spread": 0.95 - step / 2000 - 2 / dims - decay / 2, "mean_cosine": 0.1, "dimension_std": 0.2,
        "effective_rank": rank,
        "rankme": rank + 1, "rankme_centered": rank, "participation_ratio": rank - 1, "stable_rank": 3.0,
        "w2_uniformity": 0.5 + decay - 1 / dims, "uniformity": -3.1,
        "dims_for_variance": 12, "dead_dimensions": 0, "n": 512, "dims": dims,
    }  # fmt: skip


def metrics(decay: float) -> str:
    """The lines of metrics.jsonl."""
    lines: list[dict[str, Any]] = []
    for step in STEPS:
        terms = {"similarity": 0.3 * np.exp(-step / 90), "trace": 30 - (step + 90 * decay) / 20}
        lines.append({"kind": "train", "step": step, "epoch": step / 100, "seconds": step / 50, "lr": 1e-3,
                      "loss": terms["similarity"] + terms["trace"] / 10, "terms": terms})  # fmt: skip
        embedding = {**look(EMBEDDING, decay, step), "alignment": 0.2}
        lines.append({"kind": "monitor", "step": step, "epoch": step / 100, "seconds": step / 50,
                      "knn": None if step == 0 else 0.5 + step / 1000 - decay,
                      "backbone": look(BACKBONE, decay, step), "embedding": embedding})  # fmt: skip
    return "".join(json.dumps(line) + "\n" for line in lines)


def result(decay: float) -> dict[str, Any]:
    kind = "dimensional" if decay > 0.1 else None
    words = {None: "The embedding uses its dimensions.", "dimensional": "A few directions carry it all."}
    return {
        "verdict": {"where": "backbone", "state": "collapsed" if kind else "healthy", "kind": kind,
                    "sentence": words[kind]},
        "knn": 0.71 - decay, "linear": {"train": 0.85, "validation": 0.81, "test": 0.8 - decay, "penalty": 0.01},
        "baselines": {"pixels": {"knn": 0.6, "linear": 0.62}, "untrained": {"knn": 0.55, "linear": 0.58}},
        "collapse": {"backbone": look(BACKBONE, decay, 200), "embedding": look(EMBEDDING, decay, 200)},
        "seconds": {"train": 312.5, "evaluate": 12.0}, "steps": 200, "seed": 0, "versions": {"timm": "1.0.9"},
    }  # fmt: skip


def samples(seed: int) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    labels = random.integers(0, len(CLASSES), 160)
    return {
        "views": random.integers(0, 256, (2, 6, 12, 12, 3), dtype=np.uint8),
        "neighbors": random.integers(0, 256, (3, 6, 12, 12, 1), dtype=np.uint8),
        "neighbor_labels": random.integers(0, len(CLASSES), (3, 6)),
        "projection": random.normal(size=(160, 2)) + 4 * np.stack([np.cos(labels), np.sin(labels)], 1),
        "projection_labels": labels,
        "classes": np.array(CLASSES),
    }


def write_run(folder: Path, decay: float = 0.02, recipe: str = "intl", lr: float = 0.001) -> Path:
    """A finished run folder; decay 0.02 is healthy, 0.3 a dimensional collapse."""
    folder.mkdir(parents=True)
    settings = {"lr": lr, "batch_size": 256, "epochs": 2, "head": "2048-2048"}
    config = {"recipe": recipe, "fullrank": "0.1.0", "settings": settings, "run": {"seed": 0, "data": "fashion"}}
    machine = {"python": "3.11.7", "torch": "2.7", "device": "cpu", "cpus": 2, "platform": "Linux"}
    for file, content in (("config", config), ("env", machine), ("result", result(decay))):
        (folder / f"{file}.json").write_text(json.dumps(content))
    (folder / "metrics.jsonl").write_text(metrics(decay))
    growth = [decay * (1 + step / 100) for step in STEPS]
    spectra: dict[str, Any] = {
        "backbone": np.stack([eigenvalues(BACKBONE, rate) for rate in growth]),
        "embedding": np.stack([eigenvalues(EMBEDDING, rate) for rate in growth]),
    }
    np.savez(folder / "spectra.npz", steps=np.array(STEPS), **spectra)
    np.savez(folder / "samples.npz", **samples(len(folder.name)))
    return folder
