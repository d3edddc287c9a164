"""Forward and backward of the losses beside other packages' at five shapes, and beside their clear form; one thread.

Two views, float32; contenders alternate in one process, best CPU-seconds of the rounds. Packages that cannot be
imported are left out (`pip install --no-deps lightly solo-learn pytorch-metric-learning`). A clear form takes the D x D
matrix or all pairs, as papers write it, at 256 samples; where it would need minutes, it is left out. Of W-MSE also how
far the gradients are from float64's, and what a product takes in both precisions. Writes
docs/results/benchmarks/losses.json, of which docs/losses.md has the table.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import math
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.alternating import alternating, processor_seconds
from benchmarks.clear_losses import CLEAR, Objective
from benchmarks.pairs import run
from fullrank import losses

SHAPES = ((256, 128), (256, 512), (256, 2048), (1024, 256), (4096, 128))  # samples, features
RESULT = Path(__file__).parents[1] / "docs" / "results" / "benchmarks" / "losses.json"


def ours(name: str, features: int) -> Objective:
    """Our loss by name, with the defaults."""
    loss = getattr(losses, name)
    made = loss(features=features) if isinstance(loss, type) else loss
    return lambda z: made(z)["loss"]


def lightly(name: str, samples: int, features: int) -> Objective:
    """Their loss of two views; ValueError where it refuses the shape."""
    module = importlib.import_module("lightly.loss")
    if name == "WMSELoss":
        whole = module.WMSELoss(embedding_dim=features, w_size=samples)
        return lambda z: whole(z.flatten(0, 1))
    loss = getattr(module, name)()
    if name == "MMCRLoss":  # of (samples, views, features); it decomposes each sample's views even at a weight of 0
        unit = torch.nn.functional.normalize
        whole = module.MMCRLoss(lmda=0.0)
        return lambda z: whole(*unit(z, dim=2)[:, :, None])
    if name == "KoLeoLoss":
        return lambda z: (loss(z[0]) + loss(z[1])) / 2
    if name == "FroSSLLoss":
        return lambda z: loss(list(z))
    if name == "SIGReg":
        return lambda z: 0.95 * (z - z.mean(0)).square().mean() + 0.05 * loss(z).mean()
    return lambda z: loss(*z)


def solo(name: str, samples: int, features: int) -> Objective:
    """solo-learn's function of two views."""
    loss = getattr(importlib.import_module("solo.losses"), name)
    return lambda z: loss(*z)


def metric_learning(name: str, samples: int, features: int) -> Objective:
    """pytorch-metric-learning's loss of two views."""
    loss = getattr(importlib.import_module("pytorch_metric_learning.losses"), name)()
    return lambda z: loss(z[0], ref_emb=z[1])


PEERS: dict[str, tuple[tuple[str, Callable[[str, int, int], Objective], str], ...]] = {
    "nt_xent": (("lightly", lightly, "NTXentLoss"), ("solo-learn", solo, "simclr_loss_func")),
    "dcl": (("lightly", lightly, "DCLLoss"),),
    "vicreg": (
        ("lightly", lightly, "VICRegLoss"),
        ("solo-learn", solo, "vicreg_loss_func"),
        ("pytorch-metric-learning", metric_learning, "VICRegLoss"),
    ),
    "barlow_twins": (("lightly", lightly, "BarlowTwinsLoss"), ("solo-learn", solo, "barlow_loss_func")),
    "koleo": (("lightly", lightly, "KoLeoLoss"),),
    "frossl": (("lightly", lightly, "FroSSLLoss"),),
    "mmcr": (("lightly", lightly, "MMCRLoss"),),
    "w_mse": (("lightly", lightly, "WMSELoss"),),
    "sigreg": (("lightly", lightly, "SIGReg"),),
    "TiCo": (("lightly", lightly, "TiCoLoss"),),
}
WIDTHS = (512, 2048, 8192)  # features of 256 samples, beside the clear form
_KINDS: dict[str, Iterable[str]] = {"losses": PEERS, "clear": CLEAR}
_MOST = {"mmcr": 1024, "sigreg": 1024}  # samples beyond which a peer takes minutes or many GB


def contenders(name: str, samples: int, features: int) -> Iterator[tuple[str, Objective | str]]:
    """Ours and the peers' by package; in the place of one that cannot run, the reason."""
    yield "ours", ours(name, features)
    for package, make, theirs in PEERS[name]:
        if samples > _MOST.get(name, samples):
            yield package, "takes minutes or many GB"
            continue
        try:
            with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
                warnings.simplefilter("ignore")
                objective = make(theirs, samples, features)
                objective(torch.randn(2, samples, features))
            yield package, objective
        except Exception as error:  # whatever a peer refuses, or needs and does not find
            yield package, str(error).strip().splitlines()[0]


def compare(name: str, samples: int, features: int, rounds: int) -> dict[str, Any]:
    """Best CPU-seconds of each contender, after one round to warm up, and why others did not run."""
    found = dict(contenders(name, samples, features))
    z = torch.randn(2, samples, features, generator=torch.Generator().manual_seed(0))
    runs = {who: partial(run, objective, z) for who, objective in found.items() if not isinstance(objective, str)}
    seconds = {who: min(times) for who, times in alternating(runs, rounds).items()}
    return {"cpu_seconds": seconds, "left out": {who: why for who, why in found.items() if isinstance(why, str)}}


def beside_clear(name: str, features: int, rounds: int) -> dict[str, float]:
    """Best CPU-seconds of ours and, up to the widest that it can take, of the clear form."""
    ours_, clear, widest = CLEAR[name]
    z = torch.randn(2, SHAPES[0][0], features, generator=torch.Generator().manual_seed(0))
    runs = {"ours": partial(run, ours_, z)} | ({"clear": partial(run, clear, z)} if features <= widest else {})
    return {who: min(times) for who, times in alternating(runs, rounds).items()}


def whitening(samples: int = 4096, features: int = 128) -> dict[str, Any]:
    """W-MSE's relative error of the gradient where the standard deviations span so much, and seconds of a product."""
    found: dict[str, Any] = {"the gradient's error": {}, "cpu_seconds of a product": {}}
    generator = torch.Generator().manual_seed(0)
    of_two = torch.randn(samples, features, generator=generator)
    of_two = of_two + 0.3 * torch.randn(2, samples, features, generator=generator)
    turn = torch.linalg.qr(torch.randn(features, features, generator=generator))[0]
    for span in (1, 10, 100, 1000, 10_000):
        z = of_two * torch.logspace(0, -math.log10(span), features) @ turn
        exact = _gradient(_bare_w_mse, z.double())
        theirs = _gradient(lightly("WMSELoss", samples, features), z)
        found["the gradient's error"][str(span)] = {
            "ours": float((_gradient(_bare_w_mse, z) - exact).norm() / exact.norm()),
            "lightly": float((theirs - exact).norm() / exact.norm()),
        }
    for dtype in (torch.float32, torch.float64):
        x = of_two[0].to(dtype)
        seconds = alternating({"product": partial(processor_seconds, partial(torch.mm, x.T, x))}, 20)["product"]
        found["cpu_seconds of a product"][str(dtype)] = min(seconds)
    return found


def _bare_w_mse(z: Tensor) -> Tensor:
    return losses.w_mse(z, eps=0.0)["loss"]  # as lightly's, which adds nothing to the covariance


def _gradient(objective: Objective, z: Tensor) -> Tensor:
    leaf = z.clone().requires_grad_()
    objective(leaf).backward()
    assert leaf.grad is not None
    return leaf.grad.double()


def main() -> None:
    """Run, print, and write the result after each loss."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100, help="at the smallest shape; fewer at larger ones")
    parser.add_argument("--only", nargs="*", choices=PEERS, default=list(PEERS), help="losses to measure again")
    parser.add_argument("--clear", nargs="*", choices=CLEAR, default=list(CLEAR), help="the same, of clear forms")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    result = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {"losses": {}, "clear": {}}
    for name in arguments.only:
        result["losses"][name] = {}
        for samples, features in SHAPES:
            rounds = max(6, arguments.rounds * SHAPES[0][0] * SHAPES[0][1] // (samples * max(samples, features)))
            row = result["losses"][name][f"{samples} x {features}"] = compare(name, samples, features, rounds)
            _say(name, samples, features, row["cpu_seconds"])
        if name == "w_mse":
            result["w_mse"] = whitening(*SHAPES[-1])
            print(json.dumps(result["w_mse"], indent=1))
        _write(result)
    for name in arguments.clear:
        result["clear"][name] = {}
        for features in WIDTHS:
            rounds = max(2, arguments.rounds * SHAPES[0][1] // (10 * features))
            row = result["clear"][name][f"{SHAPES[0][0]} x {features}"] = beside_clear(name, features, rounds)
            _say(name, SHAPES[0][0], features, row)
        _write(result)


def _say(name: str, samples: int, features: int, seconds: dict[str, float]) -> None:
    others = ", ".join(f"{who} {seconds[who] / seconds['ours']:.2f}x" for who in seconds if who != "ours")
    print(f"{name:16s} {samples:5d} x {features:5d}  {1000 * seconds['ours']:8.1f} ms  {others}", flush=True)


def _write(result: dict[str, Any]) -> None:
    losses = {kind: {n: result[kind][n] for n in names if n in result[kind]} for kind, names in _KINDS.items()}
    losses |= {"w_mse": result["w_mse"]} if "w_mse" in result else {}
    RESULT.write_text(json.dumps({"versions": dict(_versions()), **losses}, indent=1) + "\n", encoding="utf-8")


def _versions(packages: Iterable[str] = ("torch", "lightly", "solo-learn", "pytorch-metric-learning")) -> Iterator[Any]:
    for package in packages:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            yield package, version(package)


if __name__ == "__main__":
    main()
