"""Time and accuracy of linear probes on Fashion-MNIST: FullRank's, scikit-learn's, and SGD by hand.

10,000 training and 10,000 test samples, the features of a random convolutional net or raw pixels, standardized by
the training set; CPU seconds of one thread. A "path" chooses its penalty on a held-out fifth, the others are given
theirs. Also the memory that the probe takes beside features of ImageNet's width, of 1,000 classes, where its rows on
their axes are made anew at each pass, as they are above 2 GiB: noise with one penalty, which needs few passes.
"""

from __future__ import annotations

import argparse
import gzip
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV, StratifiedShuffleSplit
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from fullrank.evaluation import linear_probe, ridge_accuracy
from fullrank.evaluation.frozen import axes

Data = tuple[Tensor, Tensor, Tensor, Tensor]
WIDTH = 2048
PENALTIES = (1.0, 1e-1, 1e-2, 1e-3, 1e-4)


def read(folder: Path, part: str) -> tuple[Tensor, Tensor]:
    """Images (N, 1, 28, 28) in [0, 1] and labels (N,) of a gzipped idx pair."""
    names = ("images-idx3", "labels-idx1")
    raw = [gzip.decompress((folder / f"{part}-{name}-ubyte.gz").read_bytes()) for name in names]
    images = np.frombuffer(raw[0], np.uint8, offset=16).reshape(-1, 1, 28, 28).astype(np.float32) / 255
    return torch.from_numpy(images), torch.from_numpy(np.frombuffer(raw[1], np.uint8, offset=8).astype(np.int64))


def convolutional(images: Tensor) -> Tensor:
    """512 features of an untrained net."""
    torch.manual_seed(0)
    first, second = nn.Conv2d(1, 64, 5, 2), nn.Conv2d(64, 128, 5, 2)
    with torch.inference_mode():
        net = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten())
        return torch.cat([net(chunk) for chunk in images.split(1000)])


def sgd(data: Data, epochs: int) -> float:
    """Batches of 256, momentum 0.9, cosine from 0.1, no penalty."""
    x, y, test, test_labels = data
    head = nn.Linear(x.shape[1], 10)
    optimizer = torch.optim.SGD(head.parameters(), lr=0.1, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * -(-len(x) // 256))
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(256):
            optimizer.zero_grad()
            nn.functional.cross_entropy(head(x[batch]), y[batch]).backward()
            optimizer.step()
            schedule.step()
    return float((head(test).argmax(1) == test_labels).double().mean())


def peer(data: Data, model: LogisticRegression | RidgeClassifier | GridSearchCV) -> float:
    """A model of scikit-learn."""
    x, y, test, test_labels = (part.numpy() for part in data)
    return float((model.fit(x, y).predict(test) == test_labels).mean())


def contenders(data: Data) -> dict[str, Callable[[], float]]:
    """What is compared, the default first."""
    n = len(data[0])
    fifth = StratifiedShuffleSplit(1, test_size=0.2, random_state=0)
    grid = {"C": [1 / (0.8 * n * penalty) for penalty in PENALTIES]}
    return {
        "FullRank linear_probe, path": lambda: linear_probe(*data).test_accuracy,
        "FullRank linear_probe, 1e-2": lambda: linear_probe(*data, penalties=(1e-2,)).test_accuracy,
        "FullRank ridge_accuracy": lambda: ridge_accuracy(*data),
        "scikit-learn LogisticRegression, path": lambda: peer(
            data, GridSearchCV(LogisticRegression(max_iter=200), grid, cv=fifth, scoring="neg_log_loss")
        ),
        "scikit-learn LogisticRegression, 1e-2": lambda: peer(data, LogisticRegression(C=100 / n, max_iter=200)),
        "scikit-learn LogisticRegression, C = 1": lambda: peer(data, LogisticRegression(C=1.0, max_iter=200)),
        "scikit-learn RidgeClassifier, 1e-2": lambda: peer(data, RidgeClassifier(alpha=n / 100)),
        "SGD, 20 epochs": lambda: sgd(data, 20),
        "SGD, 100 epochs": lambda: sgd(data, 100),
    }


def memory(rows: int) -> dict[str, float]:
    """Bytes of the features, and the most that this process has taken."""
    axes.KEPT = 0
    x = torch.randn(rows, WIDTH)
    linear_probe(x, torch.arange(rows) % 1000, x[:1000].clone(), torch.arange(1000), penalties=(1.0,))
    return {"features": x.nbytes, "process": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


def main() -> None:
    """Print one table for each kind of features, and what memory the probe takes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memory", type=int, help="only measure the memory, of so many rows")
    parser.add_argument("--data", type=Path, default=Path("/usr/share/datasets/fashion-mnist"))
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--features", nargs="+", choices=["conv", "pixels"], default=["conv"])
    parser.add_argument("--out", type=Path, help="write the figures here as JSON")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.memory:
        print(json.dumps(memory(options.memory)))
        return
    images, labels = read(options.data, "train")
    images, labels = images[: options.samples], labels[: options.samples]
    test_images, test_labels = read(options.data, "t10k")
    figures: dict[str, dict[str, dict[str, float]]] = {}
    for kind in options.features:
        encode = convolutional if kind == "conv" else (lambda images: images.flatten(1))
        scaler = StandardScaler().fit(encode(images).numpy())
        x, test = (torch.from_numpy(scaler.transform(encode(part).numpy())) for part in (images, test_images))
        print(f"{kind}, {len(x)} x {x.shape[1]}")
        rows: dict[str, dict[str, float]] = {}
        for name, run in contenders((x, labels, test, test_labels)).items():
            begin = time.process_time()
            accuracy = run()
            seconds = time.process_time() - begin
            ratio = seconds / next(iter(rows.values()))["seconds"] if rows else 1.0
            rows[name] = {"seconds": seconds, "ratio": ratio, "accuracy": accuracy}
            print(f"  {name:<40} {seconds:7.2f} s {ratio:6.2f} x   {accuracy:.4f}", flush=True)
        figures[kind] = rows
    for count in (25_000, 100_000):  # in processes of their own
        line = [sys.executable, "-m", "benchmarks.linear_probe", "--memory", str(count)]
        said = json.loads(subprocess.run(line, capture_output=True, text=True, check=True).stdout)
        figures[f"memory of {count} x {WIDTH}"] = {"bytes": said}
        print(count, ", ".join(f"{name} {value / 2**30:.2f} GiB" for name, value in said.items()), flush=True)
    if options.out:
        options.out.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
