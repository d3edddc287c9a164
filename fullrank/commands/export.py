"""`fullrank export RUN --to FORMAT`: an encoder for another library, compared in a fresh process before it is done."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from fullrank.commands._common import parse, terminal
from fullrank.terminal import say

if TYPE_CHECKING:
    from rich.console import Console

To = Literal["timm", "torchvision", "huggingface", "onnx", "torch-export", "detectron2"]


@dataclass(frozen=True, kw_only=True)
class Export:
    """Write the encoder of a run for another library, with a model card."""

    encoder: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="RUN")]
    """A run, or the file of an encoder."""
    to: To
    """Who is to read it: onnx and torch-export take any network and normalize pixels themselves; huggingface is timm's
    layout, which transformers reads too; torchvision and detectron2 take the networks that they have."""
    out: Path | None = None
    """New folder; by default NAME-FORMAT in the current one."""
    trust: bool = False
    """Run the Python file of the run's backbone although it has changed since the training."""


def export(options: Export, console: Console) -> int:
    """Run the command; returns the exit code."""
    with console.status("Exporting"):
        from fullrank.commands._reading import stem
        from fullrank.evaluation.export import export_model
        from fullrank.evaluation.model import open_model

        model = open_model(options.encoder, trust=options.trust)
        out = options.out or Path(f"{stem(options.encoder)}-{options.to}")
        share = export_model(model, options.to, out)
    said = f"Wrote {out}, and read it again in a fresh process: features differ by at most {share:.0e} of the largest."
    say(console, said)
    return 0


def run(arguments: list[str]) -> int:
    """Run the command; returns the exit code."""
    return export(parse(Export, arguments, "export"), terminal())
