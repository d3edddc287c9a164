"""The JSON of two diagnoses, as `fullrank diagnose --json` writes it, made by hand."""

from __future__ import annotations

from typing import Any

import numpy as np

DIMS, ROWS = 24, 300


def measurement(name: str, value: float | None, group: str = "spectrum", **others: Any) -> dict[str, Any]:
    row = {"name": name, "title": name.replace("_", " "), "value": value, "low": None, "high": None, "null": None,
           "healthy": None, "direction": "high", "group": group, "conventions": "centered, divisor N",
           "blind_to": ["cone"], "sampled": None}  # fmt: skip
    return row | others


def figures(kept: int) -> dict[str, Any]:
    random = np.random.default_rng(0)
    index = np.arange(1, DIMS + 1)
    values = np.where(index <= kept, 1.0, 1e-7) / index
    edges = np.linspace(-1, 1, 81)
    middle = (edges[1:] + edges[:-1]) / 2
    return {
        "spectrum": {"index": index.tolist(), "eigenvalue": values.tolist(), "null": (0 * index + 1.0).tolist()},
        "cosines": {"edges": edges.tolist(), "density": np.exp(-4 * middle**2).tolist(),
                    "null": np.exp(-20 * middle**2).tolist()},
        "hill": {"order": [0.0, 1.0, 2.0, 10.0], "value": [24.0, 5.0, 4.0, 3.0], "null": [24.0, 23.0, 22.0, 18.0]},
        "dimensions": {"std": random.uniform(0.2, 1, DIMS).tolist()},
        "projection": {"x": random.normal(size=50).tolist(), "y": random.normal(size=50).tolist(),
                       "label": [at % 3 for at in range(50)]},
        "hubness": {"count": [0, 5, 10, 20], "rows": [90, 100, 80, 30], "null": [80, 120, 90, 10]},
    }  # fmt: skip


FINDING: dict[str, Any] = {
    "rule": "dimensional collapse",
    "kind": "dimensional",
    "severity": "fail",
    "sentence": "an effective rank of 3.9 of 24 possible",
    "evidence": ["effective_rank", "relative_spread"],
    "why": "what needs a fifth direction cannot be told apart",
    "causes": [{"cause": "no term spreads the dimensions", "test": "train an epoch with --w2 0.5"}],
    "remedies": [{"text": "add W2 uniformity to the loss", "code": 'loss = loss + 0.5 * w2(z)["loss"]'}],
    "verify": "the effective rank rises above 12",
}


def diagnosis(verdict: str = "healthy") -> dict[str, Any]:
    """The report of healthy embeddings, or of collapsed ones."""
    collapsed = verdict == "collapsed"
    return {
        "schema": 1, "fullrank": "0.1.0", "source": "folder/embeddings.npy", "where": "embeddings",
        "profile": "generic", "n": ROWS, "dims": DIMS, "views": 1, "labeled": True, "verdict": verdict,
        "kind": "dimensional" if collapsed else None,
        "sentence": "Collapsed to few dimensions: 3.9 of 24." if collapsed else "No collapse found.",
        "measurements": [
            measurement("relative_spread", 0.9, "spread", low=0.88, high=0.92, null=1.0),
            measurement("effective_rank", 3.9 if collapsed else 20.5, low=3.7, high=4.1, null=23.1),
            measurement("two_nn", None, "pairs", sampled=300, blind_to=[]),
        ],
        "findings": [FINDING] if collapsed else [],
        "silenced": [{"rule": "hubs", "because": "what is left is noise"}] if collapsed else [],
        "figures": figures(4 if collapsed else DIMS),
    }  # fmt: skip
