"""Holds the losses of other packages to this package's contract: `python -m benchmarks.peers_contract`.

Needs the extra `peers`. Writes docs/results/peers.json and docs/results/peers.md: version, law, and the input on which
a law does not hold. A law is what this package asks of its own losses; a peer need not have promised it.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fullrank.testing.losses import check_loss, laws_of_losses

RESULTS = Path(__file__).parents[1] / "docs" / "results"
LIGHTLY = (
    "BarlowTwinsLoss",
    "DCLLoss",
    "DCLWLoss",
    "FroSSLLoss",
    "NTXentLoss",
    "NegativeCosineSimilarity",
    "TiCoLoss",
    "VICRegLoss",
)
LISTS = ("FroSSLLoss",)
OTHERS = {"solo-learn": "solo.losses", "stable-pretraining": "stable_pretraining.losses"}
ABOUT = """# Other packages under this contract

What [the contract](../contract.md) finds in losses of other packages: `python -m benchmarks.peers_contract`. Its laws
are those that this package asks of its own losses, many of which do not keep all either, and say so. A package that
does not keep a law need not have promised it:

- a derivative that is not that of the value is meant where weights or targets are held constant (`DCLWLoss`,
  `TiCoLoss`), and `NegativeCosineSimilarity` is meant for a predictor and a stop-gradient, which stand in its place;
- "half precision" asks for float32 inside of the loss, where a package may leave the precision to its user;
- laws on sentences for wrong input, and on what a loss of ours declares, are left out.

A loss of two views is made anew for each call, and many views are the mean over their pairs. Losses that need labels,
prototypes or a training around them are not tried, and no metrics: torchmetrics was found to have none of a cloud of
embeddings alone that this contract could be asked of.
"""


def main() -> None:
    """Try every law on every loss that can be imported, and write both files."""
    rows = list(tried())
    versions = {name: _version(name) for name in ("fullrank", "torch", "lightly", "torchmetrics", *OTHERS)}
    left_out = _not_tried()
    text = json.dumps({"versions": versions, "losses": rows, "not tried": left_out}, indent=1)
    (RESULTS / "peers.json").write_text(text + "\n", encoding="utf-8")
    (RESULTS / "peers.md").write_text(page(versions, rows, left_out), encoding="utf-8")


def tried() -> Iterator[dict[str, Any]]:
    """For each loss the laws that it keeps, and for each that it does not what was found, with the input."""
    package = importlib.import_module("lightly.loss")
    for name in LIGHTLY:
        kept, broken = [], {}
        for law in laws_of_losses:
            if law in ("terms", "plateau", "input"):  # of what a loss of ours declares, and of our sentences
                continue
            try:
                check_loss(_of_two_views(getattr(package, name)), law=law, name=name)
                kept.append(law)
            except AssertionError as error:
                broken[law] = str(error).splitlines()[0].partition("): ")[2] or str(error)
            except Exception as error:  # a peer may raise anything
                broken[law] = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        print(name, len(kept), "kept", len(broken), "not")
        yield {"package": "lightly", "loss": name, "keeps": kept, "does not keep": broken}


def _of_two_views(kind: Callable[[], Any]) -> Callable[[Tensor], Tensor]:
    """A loss of z (V, N, D), made anew for each call: the mean over pairs of views of a loss of two views."""

    def loss(z: Tensor) -> Tensor:
        pairs = [(a, b) for a in range(len(z)) for b in range(a + 1, len(z))]
        return torch.stack([_call(kind(), z[a], z[b]) for a, b in pairs]).mean()

    return loss


def _call(loss: Callable[..., Tensor], first: Tensor, second: Tensor) -> Tensor:
    """Some take the views one by one, some as a list."""
    return loss([first, second]) if type(loss).__name__ in LISTS else loss(first, second)


def page(versions: dict[str, str], rows: list[dict[str, Any]], left_out: dict[str, str]) -> str:
    """The table as Markdown."""
    lines = [ABOUT, "Versions: " + ", ".join(f"{name} {number}" for name, number in versions.items()) + ".", ""]
    lines += [f"- {name} was not tried: {reason}" for name, reason in left_out.items()]
    for row in rows:
        lines += ["", f"## {row['package']} {row['loss']}", "", f"Keeps: {', '.join(row['keeps'])}.", ""]
        if row["does not keep"]:
            lines += ["| law | what was found |", "|---|---|"]
            lines += [f"| {law} | {_cell(found)} |" for law, found in row["does not keep"].items()]
    return "\n".join(lines).rstrip("\n") + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _not_tried() -> dict[str, str]:
    reasons = {}
    for name, module in OTHERS.items():
        try:
            importlib.import_module(module)  # fails where a package that it needs is not there
            reasons[name] = "it can be imported; its losses are not tried yet."
        except ImportError as error:
            reasons[name] = f"{module} cannot be imported here ({error})."
    return reasons


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


if __name__ == "__main__":
    main()
