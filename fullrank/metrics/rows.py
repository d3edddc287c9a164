"""The measurements that look at the rows of the sample: pairs, neighbors, views, towers, labels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from scipy.linalg import eigh
from torch import Tensor

from fullrank.metrics import (
    alignment,
    class_ranks,
    coherence,
    dimension_std,
    gaussian_like,
    hyperspherical_energy,
    knn_overlap,
    lidar,
    mean_cosine,
    modality_gap,
    near_duplicate_rows,
    neural_collapse,
    norm_variation,
    relative_spread,
    sigreg,
    summarize_neighbors,
    uniformity,
    view_retrieval,
    w2_uniformity,
)
from fullrank.metrics._pairs import neighbors
from fullrank.metrics.neighbors import occurrences
from fullrank.stats import normalize, smaller_gram
from fullrank.stats.sketch import Sketch

PAIRS = 2048  # rows for what takes time in their square
_SLICES = 128
_FEWEST_OF_CLASS = 8  # rows from which a class has a rank and a spread to compare

Sampled = dict[str, tuple[float, float | None, int]]  # value, null, rows


def pair_sample(x: Tensor, *, seed: int) -> Tensor:
    """At most 2,048 of the rows x (k, ...), drawn by the seed, in their order."""
    return x[chosen(len(x), seed=seed)]


def chosen(count: int, *, seed: int) -> Tensor:
    """Which of `count` rows `pair_sample` takes, ascending."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))[:PAIRS]
    return order.sort().values


def principal(x: Tensor, count: int = 2) -> tuple[Tensor, Tensor]:
    """Scores (N, count) of centered rows x (N, D) on their first directions, and those (D, count), largest first."""
    n, dims = x.shape
    gram = smaller_gram(x)
    last = (len(gram) - count, len(gram) - 1)
    values, vectors = (torch.from_numpy(part).flip(-1) for part in eigh(gram.numpy(), subset_by_index=last))
    directions = x.T @ vectors / values.clamp_min(1e-300).sqrt() if n < dims else vectors
    return x @ directions, directions


@dataclass(frozen=True, eq=False)
class Neighbors:
    """The rows (k, K) whose pairs are looked at, and how often each is a neighbor of others; the same of its like."""

    rows: Tensor
    like: Tensor  # a Gaussian cloud of the same spectrum
    occurrences: Tensor
    of_like: Tensor


def neighbors_of(sketch: Sketch, *, seed: int = 0) -> Neighbors:
    """Those of a sketch, found once."""
    found = sketch.memo.get(("neighbors", seed))
    if not isinstance(found, Neighbors):
        x = sketch.first_views(chosen(len(sketch.sample.index), seed=seed))
        like = gaussian_like(x, seed=seed)
        found = Neighbors(x, like, occurrences(x, seed=seed), occurrences(like, seed=seed))
        sketch.memo["neighbors", seed] = found
    return found


def measure_rows(sketch: Sketch, *, seed: int = 0) -> Sampled:
    """What the sampled rows of the first view tell beside their moments: value, null and number of rows each."""
    found = neighbors_of(sketch, seed=seed)
    x, rows = found.rows, pair_sample(sketch.sample.rows[:, 0], seed=seed)
    values = {
        "norm_variation": norm_variation(x),
        "uniformity": uniformity(x),
        "hyperspherical_energy": hyperspherical_energy(x, seed=seed),
        "near_duplicate_rows": near_duplicate_rows(x, seed=seed),
        "sigreg": sigreg(rows, slices=_SLICES, seed=seed),
        "coherence": coherence(x),
    }
    if not sketch.directed:  # else the moments say it of all rows
        values |= {
            "mean_cosine": mean_cosine(x),
            "dimension_std": dimension_std(rows),
            "w2_uniformity": w2_uniformity(rows),
        }
    sampled: Sampled = {name: (value, None, len(x)) for name, value in values.items()}
    return sampled | _first_direction(x) | _neighborhood(found, seed=seed)


def _first_direction(x: Tensor) -> Sampled:
    """Are there two groups along the first direction?"""
    y = x - x.mean(0)
    if len(x) < 4 or not bool(y.any()):
        return {}
    scores, _ = principal(y / y.abs().max(), 1)
    fourth = float(scores.pow(4).mean())
    return {"bimodality": (float(scores.square().mean()) ** 2 / fourth if fourth > 0 else 1.0, 1 / 3, len(x))}


def _neighborhood(of: Neighbors, *, seed: int) -> Sampled:
    """What neighbors tell; contrast and hubs beside those of a Gaussian cloud of the same spectrum."""
    n = len(of.rows)
    found = summarize_neighbors(of.rows, seed=seed, count=of.occurrences)
    like = summarize_neighbors(of.like, seed=seed, count=of.of_like)
    beside = ("relative_contrast", "hub_skewness", "antihub_share")
    return {
        **{name: (found[name], None, n) for name in ("two_nn", "mle_dimension")},
        **{name: (found[name], like[name], n) for name in beside},
        "contrast_excess": (found["relative_contrast"] / like["relative_contrast"], 1.0, n),
        "hub_excess": (found["hub_skewness"] - like["hub_skewness"], 0.0, n),
    }


def measure_views(views: Tensor, *, seed: int = 0) -> Sampled:
    """What several views (V, k, D) of the same samples tell; of two, the first two are compared."""
    views = views[:, chosen(views.shape[1], seed=seed)]
    one, two, n = views[0], views[1], views.shape[1]
    return {
        "alignment": (alignment(one, two), 2.0, n),
        "view_retrieval": (view_retrieval(one, two, seed=seed), 1 / n, n),
        "knn_overlap": (knn_overlap(one, two, seed=seed), min(10, n - 1) / max(n - 1, 1), n),
        "lidar": (lidar(views), None, n),
    }


def measure_towers(one: Tensor, two: Tensor, *, seed: int = 0) -> Sampled:
    """The gap between two towers' embeddings (k, D) of the same samples."""
    one, two = pair_sample(one, seed=seed), pair_sample(two, seed=seed)
    gap = modality_gap(one, two, seed=seed)
    return {
        "tower_spread": (min(relative_spread(one), relative_spread(two)), 1.0, len(one)),
        "gap_distance": (gap.distance, 0.0, len(one)),
        "gap_ratio": (gap.ratio, 0.0, len(one)),
        "gap_separable": (gap.separable, 0.5, len(one)),
        "gap_gain": (gap.retrieval_centered - gap.retrieval, 0.0, len(one)),
    }


def _neighbor_labels(z: Tensor, labels: Tensor) -> tuple[float, float]:
    """Share of the 10 nearest rows, by cosine, that have a row's label, and what chance gives."""
    n = len(z)
    nearest = neighbors(normalize(z), min(10, n - 1))[1]
    same = float((labels[nearest] == labels[:, None]).double().mean())
    counts = labels.unique(return_counts=True)[1].double()
    return same, float((counts * (counts - 1)).sum()) / (n * (n - 1))


def measure_labels(z: Tensor, labels: Tensor, *, seed: int = 0) -> Sampled:
    """What the classes (k,) of the sampled rows z (k, D) tell; nothing for fewer than two classes."""
    if len(labels.unique()) < 2:
        return {}
    collapse = neural_collapse(z, labels)
    pairs = chosen(len(z), seed=seed)
    same, chance = _neighbor_labels(z[pairs], labels[pairs])
    found: Sampled = {
        "nc1": (collapse.nc1, None, len(z)),
        "nc2_norms": (collapse.nc2_norms, None, len(z)),
        "nc2_angles": (collapse.nc2_angles, None, len(z)),
        "neighbor_labels": (same, chance, len(pairs)),
        "label_gain": ((same - chance) / (1 - chance) if chance < 1 else 0.0, 0.0, len(pairs)),
    }
    rows = [row for row in class_ranks(z, labels).values() if row["n"] >= _FEWEST_OF_CLASS]
    if len(rows) > 1:
        for name, part in (("class_rank", "participation_ratio"), ("class_spread", "relative_spread")):
            values = torch.tensor([row[part] for row in rows])
            median = float(values.median())
            found[name] = float(values.min()) / median if median > 0 else 1.0, 1.0, len(z)
    return found
