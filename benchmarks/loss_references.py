"""Measures how far each loss is from its reference, its derivatives and its graph, for docs/results/losses.json.

`python -m benchmarks.loss_references`, some minutes on one core, most of them of a compiler; `--only NAME` measures one
again. The references are the formulas of the papers' code
and text, written out beside the tests that compare them (`tests/losses`): those tests are run here, and measured.
"""

from __future__ import annotations

import functools
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import pytest
import torch
import tyro
from torch import Tensor

from docs.build.losses import PAIRS, public
from fullrank.errors import UserError
from fullrank.testing.clouds import noise
from fullrank.testing.derivative_laws import functional, twice_differentiable
from fullrank.testing.loss_values import Loss, gradient
from tests.losses import reference
from tests.losses.declared import NAMED

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "docs" / "results" / "losses.json"
AUTHORS = (
    "authors",
    "authors_with_teacher",
    "simclr",
    "published_value",
    "theirs",
)  # names in the tests of what is the authors' code
FILES = {
    "spectral": "spectral_transformation",
    "corinfomax": "CorInfoMax",
    "swav": "SwAV",
    "tico": "TiCo",
    "dino": "DINO",
}


UNWARNED = ("-W", "ignore::pytest.PytestAssertRewriteWarning")  # of what tyro has imported


class Recorder:
    """Keeps the differences that `check_reference` finds, by loss."""

    def __init__(self) -> None:
        self.found: dict[str, list[dict[str, Any]]] = defaultdict(list)

    def check(self, loss: Loss, plain: Callable[[Tensor], Tensor], z: Tensor) -> None:
        """In the place of `check_reference`: the same, and the differences are kept."""
        CHECK(loss, plain, z)
        kind = "the authors' code" if _inner(plain) in AUTHORS else "a plain formula"
        slope = gradient(lambda leaf: {"loss": plain(leaf)}, z)
        value = _relative(loss(z)["loss"].detach(), plain(z).detach())
        row = {"with": kind, "value": value, "gradient": _relative(gradient(loss, z), slope)}
        caller = Path(sys._getframe(1).f_code.co_filename).stem.removeprefix("test_")
        self.found[_name(loss, caller)].append(row)


CHECK = reference.check_reference


@dataclass(frozen=True)
class Arguments:
    """Measure how far each loss is from its reference, its derivatives and its graph."""

    only: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME [NAME ...]")] = ()
    """Losses to measure, the others stay as they are; by default all."""


def main(arguments: Arguments) -> None:
    """Measure, and write the result after each loss."""
    chosen = [loss for loss in public() if not arguments.only or loss.__name__ in arguments.only]
    recorder = Recorder()
    setattr(reference, "check_reference", recorder.check)  # noqa: B010 (before the tests import it)
    code = pytest.main(["-q", "-p", "no:cacheprovider", *UNWARNED, *map(str, _tests(chosen)), "-k", "not table"])
    if code != 0:
        raise SystemExit(code)
    found = json.loads(RESULT.read_text(encoding="utf-8"))["losses"]
    for loss in chosen:
        name, of_rows = loss.__name__, (NAMED | PAIRS)[loss.__name__]
        found[name] = {"reference": _summary(recorder.found.get(name, [])), **derivatives(of_rows), **graphs(loss)}
        print(name, found[name], flush=True)
        versions = {package: version(package) for package in ("fullrank", "torch")}
        losses = {one.__name__: found[one.__name__] for one in public() if one.__name__ in found}
        RESULT.write_text(json.dumps({"versions": versions, "losses": losses}, indent=1) + "\n", encoding="utf-8")


def _tests(losses: Sequence[Callable[..., object]]) -> list[Path]:
    """The tests that name one of the losses."""
    folder = ROOT / "tests" / "losses"
    texts = {path: path.read_text(encoding="utf-8") for path in sorted(folder.glob("test_*.py"))}
    return [path for path, text in texts.items() if any(loss.__name__ in text for loss in losses)]


def derivatives(loss: Loss) -> dict[str, str]:
    """Whether the second derivative is right, and whether torch.func.grad gives the gradient."""
    z = 1.5 * noise(2, 12, 6, seed=12)
    try:
        twice_differentiable(loss)
        leaf = z.requires_grad_()
        (slope,) = torch.autograd.grad(loss(leaf)["loss"], leaf, create_graph=True)
        if slope.requires_grad:
            torch.autograd.grad(slope.sum(), leaf)
        second = "right"
    except (UserError, NotImplementedError):
        second = "an error"
    except AssertionError:
        second = "of fixed targets"
    try:
        functional(loss)
        return {"second": second, "func": "right"}
    except AssertionError:
        return {"second": second, "func": "no"}


def graphs(loss: Callable[..., object]) -> dict[str, str]:
    """Whether a loss without a state is one graph, and whether what the default backend makes of it is right."""
    if isinstance(loss, type):
        return {}
    of_rows = (NAMED | PAIRS)[loss.__name__]
    whole = graph(of_rows, "aot_eager")
    return {"graph": whole, "compiled": graph(of_rows, "inductor") if whole == "right" else "no"}


def graph(loss: Loss, backend: str) -> str:
    """Whether torch.compile takes value and gradient as one graph, and gives the same."""
    z, expected = 1.5 * noise(2, 12, 6, seed=12), gradient(loss, 1.5 * noise(2, 12, 6, seed=12))
    torch._dynamo.reset()
    try:
        compiled = torch.compile(lambda rows: loss(rows)["loss"], fullgraph=True, backend=backend)
        found = gradient(lambda rows: {"loss": compiled(rows)}, z)
    except Exception:  # whatever it says, there is no graph
        return "no"
    return "right" if _relative(found, expected) < 1e-9 else "another gradient"


def _summary(rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    if not rows:
        return None
    kinds = sorted({row["with"] for row in rows})
    largest = {key: max(row[key] for row in rows) for key in ("value", "gradient")}
    return {"with": " and ".join(kinds), "inputs": len(rows), **largest}


def _relative(found: Tensor, expected: Tensor) -> float:
    """The largest difference as a share of the largest number, to two digits."""
    scale = max(float(expected.abs().max()), 1e-12)
    return float(f"{float((found - expected).abs().max()) / scale:.1e}")


def _inner(function: Any) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__))  # a loss with a state is of its class


def _name(loss: Any, file: str) -> str:
    """The public name of the loss that a test compares."""
    known = {one.__name__ for one in public()}
    inner = _inner(loss)
    return inner if inner in known else FILES.get(file, file)


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
