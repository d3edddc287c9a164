"""Does `fullrank compare` let harmless changes pass and find harmful ones? Real embeddings, changed on purpose.

    OMP_NUM_THREADS=1 python benchmarks/compare_gate.py --out docs/results/benchmarks/compare_gate.json

Embeddings of scikit-learn's digits and of Fashion-MNIST (Debian's dataset-fashion-mnist): pixels, principal components,
histograms of oriented gradients, an untrained convolutional network, a trained perceptron's last hidden layer. Each
seed draws 500 of their rows and the change. An alarm is an exit code other than 0. Limits are set on the sets of digits
alone; those of Fashion-MNIST are held out. Prints the table of docs/comparison.md.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections import ChainMap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

import fullrank
from fullrank.data import ImageTensor, load_dataset
from fullrank.diagnosis.comparison import Comparison
from fullrank.diagnosis.report import Report
from fullrank.diagnosis.sameness import Expectation

Array = NDArray[np.float64]
Encoder = Callable[[Array], Array]
ROWS = 500
HALVES = {"digits": "tuning", "Fashion-MNIST": "held-out"}
Table = dict[str, dict[str, dict[str, Any]]]  # by half and change
SETS = [
    *("digits/trained", "Fashion-MNIST/trained", "Fashion-MNIST/PCA"),
    *("digits/pixels", "digits/HOG", "Fashion-MNIST/untrained"),
]


@dataclass(frozen=True, eq=False)
class Pair:
    """Old and new embeddings (N, D), what the new ones are expected to be, and whether the change is harmless."""

    change: str
    old: Array
    new: Array
    expect: Expectation | None
    harmless: bool


@dataclass(frozen=True, eq=False)
class Source:
    """Images (N, H, W) in [0, 1], their classes (N,), and what embeds them, by name."""

    images: Array
    labels: NDArray[np.int64]
    encoders: dict[str, Encoder]


def hog(images: Array, cells: int = 4, bins: int = 8) -> Array:
    """Histograms (N, cells^2 bins) of the directions of the gradients, weighted by their lengths."""
    across, down = np.gradient(images, axis=2), np.gradient(images, axis=1)
    length, angle = np.hypot(across, down), (np.arctan2(down, across) % np.pi) / np.pi
    which = np.minimum((angle * bins).astype(int), bins - 1)
    parts = []
    for rows in np.array_split(np.arange(images.shape[1]), cells):
        for columns in np.array_split(np.arange(images.shape[2]), cells):
            cell = np.ix_(np.arange(len(images)), rows, columns)
            parts += [(length[cell] * (which[cell] == k)).sum((1, 2)) for k in range(bins)]
    return np.stack(parts, 1)


def untrained(images: Array, seed: int = 0, width: int = 32) -> Array:
    """Two convolutions with random weights, pooled to 2 x 2."""
    generator, x = torch.Generator().manual_seed(seed), torch.from_numpy(images)[:, None]
    for inputs, outputs in ((1, 16), (16, width)):
        weights = torch.randn(outputs, inputs, 3, 3, generator=generator, dtype=torch.float64)
        x = torch.nn.functional.conv2d(x, weights * (2 / (9 * inputs)) ** 0.5, padding=1).relu()
        x = torch.nn.functional.avg_pool2d(x, 2)
    return torch.nn.functional.adaptive_avg_pool2d(x, 2).flatten(1).numpy()


def trained(images: Array, labels: NDArray[np.int64], seed: int) -> Encoder:
    """The last hidden layer of a perceptron that was trained on half of the images."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        network = MLPClassifier((128, 64), max_iter=20, random_state=seed)
        network.fit(images.reshape(len(images), -1)[::2], labels[::2])

    def embed(pixels: Array) -> Array:
        x = pixels.reshape(len(pixels), -1)
        for weights, bias in zip(network.coefs_[:-1], network.intercepts_[:-1], strict=True):
            x = np.maximum(x @ weights + bias, 0.0)
        return x

    return embed


def sources() -> dict[str, Source]:
    """Digits and 4,000 images of Fashion-MNIST, each with six encoders."""
    digits, fashion = load_digits(), load_dataset("fashion-mnist").test
    assert isinstance(fashion, ImageTensor)
    assert fashion.labels is not None
    pixels = fashion.images[:4000, 0].double().numpy()
    found = {}
    for name, images, labels in (
        ("digits", digits.images, digits.target),
        ("Fashion-MNIST", pixels, fashion.labels[:4000].numpy()),
    ):
        images = images / images.max()
        pca = PCA(32, random_state=0).fit(images.reshape(len(images), -1))
        encoders: dict[str, Encoder] = {
            "pixels": lambda x: x.reshape(len(x), -1),
            "PCA": lambda x, pca=pca: pca.transform(x.reshape(len(x), -1)),  # type: ignore[misc]
            "HOG": hog,
            "untrained": untrained,
            "trained": trained(images, labels, 0),
            "another seed": trained(images, labels, 1),
        }
        found[name] = Source(images, labels, encoders)
    return found


def rounded(z: Array, axis: int | None = None) -> Array:
    """int8 with one scale, or one for each dimension (0) or row (1)."""
    scale = np.abs(z).max(axis=axis, keepdims=axis is not None) / 127
    scale = np.where(scale == 0, 1.0, scale)
    return np.round(z / scale) * scale


def turn(dims: int, rng: np.random.Generator) -> Array:
    """A random rotation (D, D)."""
    q: Array = np.linalg.qr(rng.normal(size=(dims, dims)))[0]
    return q


def permuted(z: Array, share: float, rng: np.random.Generator) -> Array:
    """z with a share of the rows in each other's places."""
    order, some = np.arange(len(z)), rng.permutation(len(z))[: round(share * len(z))]
    order[some] = np.roll(some, 1)
    return z[order]


def matched_noise(z: Array, rng: np.random.Generator) -> Array:
    """Gaussian noise with the mean and covariance of z."""
    return rng.multivariate_normal(z.mean(0), np.cov(z.T), size=len(z), method="svd")


def pairs(source: Source, name: str, rng: np.random.Generator, *, harmful: bool) -> Iterator[Pair]:
    """Old and new embeddings by change, of rows that are drawn; the harmless changes first."""
    encode = source.encoders[name]
    order = rng.permutation(len(source.images))
    rows, others = order[:ROWS], order[ROWS : 2 * ROWS]
    z, drawn = encode(source.images[rows]), encode(source.images[others])
    deviation, dims = z.std(0), z.shape[1]
    for change, new in (
        ("the same file", z),
        ("int8", rounded(z)),
        ("int8, a scale for each dimension", rounded(z, 0)),
        ("float16", z.astype(np.float16).astype(float)),
        ("bfloat16", torch.from_numpy(z).bfloat16().double().numpy()),
        ("noise of 1 % of the deviations", z + 0.01 * deviation * rng.normal(size=z.shape)),
        ("a rotation and a scale", 3 * z @ turn(dims, rng)),
    ):
        yield Pair(change, z, new, None, True)
    yield Pair("other rows of the same model", z, drawn, "same-distribution", True)
    yield Pair("fewer, other rows of the same model", z, drawn[: ROWS // 2], None, True)
    yield Pair("a tenth as many, other rows of the same model", z, drawn[: ROWS // 10], None, True)
    if name == "trained":
        yield Pair("a new seed of the same training", z, source.encoders["another seed"](source.images[rows]),
                   "same-rows", True)  # fmt: skip
    if not harmful:
        return
    for change, new in (
        ("noise of the same shape", rng.normal(size=z.shape)),
        ("noise of the same mean and covariance", matched_noise(z, rng)),
        ("all rows permuted", permuted(z, 1.0, rng)),
        ("half of the rows permuted", permuted(z, 0.5, rng)),
        ("a tenth of the rows permuted", permuted(z, 0.1, rng)),
        ("the mean moved by 0.3 deviations", z + 0.3 * deviation),
        ("the mean moved by 0.5 deviations, at random", z + 0.5 * deviation * rng.normal(size=dims)),
    ):
        yield Pair(change, z, new, None, False)
    for other, another in source.encoders.items():
        if other != name:
            change = "a new seed, not stated" if other == "another seed" and name == "trained" else "another model"
            yield Pair(change, z, another(source.images[rows]), None, False)
    yield Pair("all rows permuted, any model expected", z, permuted(z, 1.0, rng), "same-rows", False)
    yield Pair("half of the rows permuted, any model expected", z, permuted(z, 0.5, rng), "same-rows", False)
    yield from _drifted(source, encode, z, others)


def _drifted(source: Source, encode: Encoder, z: Array, others: NDArray[np.int64]) -> Iterator[Pair]:
    """Other rows, fewer, whose images or classes have changed."""
    images, labels = source.images[others], source.labels[others]
    blurred = (images + np.roll(images, 1, 1) + np.roll(images, 1, 2) + np.roll(images, (1, 1), (1, 2))) / 4
    drawn = encode(images)
    for change, new in (
        ("other rows, the mean moved by 0.3 deviations", drawn + 0.3 * z.std(0)),
        ("other rows, images at 70 % of the brightness", encode(0.7 * images)),
        ("other rows, blurred images", encode(blurred)),
        ("other rows, half of the classes", drawn[labels < 5]),
    ):
        yield Pair(change, z, new[: ROWS // 2], None, False)


def run(
    found: dict[str, Source], seeds: int, harmful_seeds: int, sets: list[str], changes: list[str]
) -> Iterator[Table]:
    """By half and change: how many comparisons, how many alarms, the least and most of every number; after each set."""
    table: Table = {half: {} for half in HALVES.values()}
    for data, name in (one.split("/") for one in sets):
        source = found[data]
        for seed in range(seeds):
            old: Report | None = None
            for pair in pairs(source, name, np.random.default_rng(seed), harmful=seed < harmful_seeds):
                if changes and pair.change not in changes:
                    continue
                old = old or fullrank.diagnose(pair.old.astype(np.float32))
                result = fullrank.compare(old, pair.new.astype(np.float32), expect=pair.expect)
                _count(table[HALVES[data]], pair, result, f"{data}, {name}, seed {seed}")
        yield table


def _count(table: dict[str, dict[str, Any]], pair: Pair, result: Comparison, where: str) -> None:
    row = table.setdefault(
        pair.change,
        {"harmless": pair.harmless, "expect": pair.expect, "runs": 0, "alarms": 0, "outcomes": {}, "wrong": []},
    )
    alarm = result.outcome not in ("same", "better")
    row["runs"] += 1
    row["alarms"] += alarm
    row["outcomes"][result.outcome] = row["outcomes"].get(result.outcome, 0) + 1
    if alarm == pair.harmless:
        row["wrong"].append(f"{where}: {result.sentence}")
    for check in result.checks:
        value = check.value if check.p is None else check.p
        low, high = row.setdefault("values", {}).get(check.name, (value, value))
        row["values"][check.name] = min(low, value), max(high, value)


def _alarms(row: dict[str, Any] | None) -> str:
    return "-" if row is None else f"{row['alarms']} of {row['runs']}"


def main() -> None:
    """Run, print the table, and write JSON when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--harmful-seeds", type=int, default=3)
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--changes", nargs="+", default=[], help="these alone, by their names in the table")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for table in run(sources(), arguments.seeds, arguments.harmful_seeds, arguments.sets, arguments.changes):
        print()
        for change, row in dict(ChainMap(table["held-out"], table["tuning"])).items():
            told = [_alarms(table[half].get(change)) for half in HALVES.values()]
            should = "pass" if row["harmless"] else "alarm"
            print(f"| {change} | {row['expect'] or 'default'} | {should} | {' | '.join(told)} |", flush=True)
        if arguments.out:
            arguments.out.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
