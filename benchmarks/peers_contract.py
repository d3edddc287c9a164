"""Holds the losses of other packages to this package's contract: `python -m benchmarks.peers_contract`.

Needs the extra `peers`, and tries solo-learn and stable-pretraining where they can be imported. Writes
docs/results/peers.json and docs/results/peers.md: version, law, and the input on which a law does not hold. A law is
what this package asks of its own losses; a peer need not have promised it.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from itertools import combinations, permutations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from fullrank.metrics import MEASUREMENTS
from fullrank.metrics.cloud import Cloud
from fullrank.testing.clouds import noise
from fullrank.testing.losses import check_loss, laws_of_losses, laws_of_pair_losses
from fullrank.testing.metrics import check_metric, laws_of_metrics

RESULTS = Path(__file__).parents[1] / "docs" / "results"


@dataclass(frozen=True)
class Peer:
    """A package, and its losses that are tried: of two views, of a list of them, of one, of prediction and target."""

    module: str
    of_views: tuple[str, ...]
    of_lists: tuple[str, ...] = ()
    of_one_view: tuple[str, ...] = ()
    of_targets: tuple[str, ...] = ()


PEERS = {
    "lightly": Peer(
        "lightly.loss",
        ("BarlowTwinsLoss", "DCLLoss", "DCLWLoss", "NTXentLoss", "NegativeCosineSimilarity", "TiCoLoss", "VICRegLoss"),
        of_lists=("FroSSLLoss",),
    ),
    "solo-learn": Peer(
        "solo.losses",
        ("barlow_loss_func", "simclr_loss_func", "vicreg_loss_func"),
        of_targets=("byol_loss_func", "simsiam_loss_func", "wmse_loss_func"),
    ),
    "stable-pretraining": Peer(
        "stable_pretraining.losses",
        ("BarlowTwinsLoss", "CLIPLoss", "NTXEntLoss", "NegativeCosineSimilarity", "VICRegLoss"),
        of_one_view=("VCRegLoss",),
        of_targets=("BYOLLoss",),
    ),
}
BESIDE = ("pytorch-lightning", "lightning-bolts")  # what solo-learn imports
OURS = ("terms", "plateau", "input", "moments", "refuses")  # laws of our declarations, records and sentences
ABOUT = """# Other packages under this contract

What [the contract](../contract.md) finds in losses of other packages: `python -m benchmarks.peers_contract`. Its laws
are those that this package asks of its own losses, many of which do not keep all either, and say so. A package that
does not keep a law need not have promised it:

- a derivative that is not that of the value is meant where weights or targets are held constant (`DCLWLoss`,
  `TiCoLoss`), and `NegativeCosineSimilarity` is meant for a predictor and a stop-gradient, which stand in its place;
- "target" asks a loss of predictions to hold the target constant itself, where a package may leave that to its caller;
  solo-learn's `wmse_loss_func` is given views that its method has whitened;
- "half precision" asks for float32 inside of the loss, where a package may leave the precision to its user;
- laws on sentences for wrong input, and on what a loss of ours declares, are left out.

A loss of two views is made anew for each call, and many views are the mean over their pairs; a loss of one view is the
mean over the views. Losses of a prediction and a target are held to the laws of those, whose architecture must keep
collapse away. Losses that need labels, prototypes, a queue or a training around them are not tried. Of metrics of a
cloud of embeddings alone, RankMe was found, in stable-pretraining, as a callback, which gets the cloud here in the
place of its queue; torchmetrics was found to have none. solo-learn and stable-pretraining were installed beside the
versions below, not with those that they ask for (solo-learn 1.0.2: torch 1.9.1).
"""


def main() -> None:
    """Try every law on everything that can be imported, and write both files."""
    rows: list[dict[str, Any]] = []
    left_out: dict[str, str] = {}
    for name, peer in PEERS.items():
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                module = importlib.import_module(peer.module)  # fails where a package that it needs is not there
        except ImportError as error:
            left_out[name] = f"{peer.module} cannot be imported here ({error})."
            continue
        rows += [{"package": name, **row} for row in tried(peer, module)]
    if "stable-pretraining" not in left_out:
        rows.append({"package": "stable-pretraining", **rankme()})
    versions = {name: _version(name) for name in ("fullrank", "torch", *PEERS, "torchmetrics", *BESIDE)}
    text = json.dumps({"versions": versions, "losses": rows, "not tried": left_out}, indent=1)
    (RESULTS / "peers.json").write_text(text + "\n", encoding="utf-8")
    (RESULTS / "peers.md").write_text(page(versions, rows, left_out), encoding="utf-8")


def tried(peer: Peer, module: Any) -> Iterator[dict[str, Any]]:
    """For each loss the laws that it keeps, and for each that it does not what was found, with the input."""
    forms = (
        (peer.of_views, _of_two_views, laws_of_losses),
        (peer.of_lists, _of_lists, laws_of_losses),
        (peer.of_one_view, _of_one_view, laws_of_losses),
        (peer.of_targets, _of_targets, laws_of_pair_losses),
    )
    for names, form, laws in forms:
        for name in names:
            loss = form(getattr(module, name))
            refused = _refuses_double(loss, 2 if laws is laws_of_pair_losses else 1)
            yield refused | {"loss": name} if refused else judged(name, laws, partial(check_loss, loss, name=name))


def _refuses_double(loss: Callable[..., Tensor], inputs: int) -> dict[str, Any]:
    """What a loss raises for float64, in which almost every law is asked; nothing if it takes it."""
    try:
        loss(*[noise(2, 8, 4)] * inputs)
    except RuntimeError as error:
        return {"keeps": [], "does not keep": {"double precision": f"{type(error).__name__}: {error}"}, "tried": False}
    return {}


def judged(name: str, laws: Sequence[str], check: Callable[..., None]) -> dict[str, Any]:
    """The laws that hold, and what was found where one does not."""
    kept, broken = [], {}
    for law in [law for law in laws if law not in OURS]:
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                check(law=law)
            kept.append(law)
        except AssertionError as error:
            broken[law] = str(error).splitlines()[0].partition("): ")[2] or str(error)
        except Exception as error:  # a peer may raise anything
            broken[law] = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    print(name, len(kept), "kept", len(broken), "not", flush=True)
    return {"loss": name, "keeps": kept, "does not keep": broken}


def _made(kind: Any) -> Any:
    """A loss: a new module of a class, or the function itself."""
    return kind() if isinstance(kind, type) else kind


def _of_two_views(kind: Any) -> Callable[[Tensor], Tensor]:
    """The mean over pairs of views of z (V, N, D) of a loss of two views, made anew for each call."""
    return lambda z: torch.stack([_made(kind)(a, b) for a, b in combinations(z, 2)]).mean()


def _of_lists(kind: Any) -> Callable[[Tensor], Tensor]:
    return lambda z: torch.stack([_made(kind)([a, b]) for a, b in combinations(z, 2)]).mean()


def _of_one_view(kind: Any) -> Callable[[Tensor], Tensor]:
    return lambda z: torch.stack([_made(kind)(view) for view in z]).mean()


def _of_targets(kind: Any) -> Callable[[Tensor, Tensor], Tensor]:
    """The mean over ordered pairs of views of a loss of a prediction and the target of another view."""

    def loss(prediction: Tensor, target: Tensor) -> Tensor:
        pairs = permutations(range(len(target)), 2)
        return torch.stack([_made(kind)(prediction[a], target[b]) for a, b in pairs]).mean()

    return loss


def rankme() -> dict[str, Any]:
    """RankMe of stable-pretraining, held to what this package says of its own."""
    callback = importlib.import_module("stable_pretraining.callbacks.rankme").RankMe

    def function(z: Cloud | Tensor) -> float:
        rows, logged = z.rows if isinstance(z, Cloud) else z, []
        one = callback("rankme", "z", len(rows), rows.shape[1])
        one._target_queue = SimpleNamespace(data=rows)
        module = SimpleNamespace(log=lambda name, value: logged.append(value))
        one.on_validation_batch_end(SimpleNamespace(global_rank=0), module, {}, {}, 0)
        return float(logged[0])

    record = replace(next(each for each in MEASUREMENTS if each.name == "rankme"), function=function)
    return judged("RankMe", laws_of_metrics, partial(check_metric, record))


def page(versions: dict[str, str], rows: list[dict[str, Any]], left_out: dict[str, str]) -> str:
    """The table as Markdown."""
    lines = [ABOUT, "Versions: " + ", ".join(f"{name} {number}" for name, number in versions.items()) + "."]
    lines += [f"\n{name} was not tried: {reason}" for name, reason in left_out.items()]
    for row in rows:
        kept = f"Keeps: {', '.join(row['keeps'])}."
        if not row.get("tried", True):
            kept = "Was not tried further: almost every law is asked in float64, which it does not take."
        lines += ["", f"## {row['package']} {row['loss']}", "", kept, ""]
        if row["does not keep"]:
            lines += ["| law | what was found |", "|---|---|"]
            lines += [f"| {law} | {_cell(found)} |" for law, found in row["does not keep"].items()]
    return "\n".join(lines).rstrip("\n") + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


if __name__ == "__main__":
    main()
