"""A trained encoder as a folder that other libraries read: one file per format, which writes and reads it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from fullrank.errors import UserError, first_line
from fullrank.nn.encoder_file import SavedEncoder
from fullrank.nn.exports import detectron2, huggingface, onnx, timm, torch_export, torchvision
from fullrank.nn.exports.folder import About
from fullrank.nn.room import require_room
from fullrank.runs.reading import NOTE, require_file

__all__ = ["FORMATS", "NOTE", "About", "Format", "open_export"]


@dataclass(frozen=True)
class Format:
    """A way out: `write` fills a folder, `read` is the encoder in it; `use` is how the other library loads it."""

    write: Callable[[SavedEncoder, Path], None]
    read: Callable[[Path, About], SavedEncoder]
    use: str
    needs: tuple[str, ...] = ()
    runs_code: bool = False
    """Whether reading it could run code that is in the file, so that only who trusts it may."""


FORMATS = {
    "timm": Format(timm.write, timm.read, timm.USE),
    "torchvision": Format(torchvision.write, torchvision.read, torchvision.USE),
    "huggingface": Format(huggingface.write, huggingface.read, huggingface.USE, ("transformers",)),
    "onnx": Format(onnx.write, onnx.read, onnx.USE, ("onnx", "onnxscript", "onnxruntime")),
    "torch-export": Format(torch_export.write, torch_export.read, torch_export.USE, runs_code=True),
    "detectron2": Format(detectron2.write, detectron2.read, detectron2.USE),
}


def open_export(folder: Path, *, trust: bool = False) -> SavedEncoder:
    """The encoder of an export's folder; raises UserError if reading it could run code and it is not trusted.

    >>> open_export(Path("nowhere"))
    Traceback (most recent call last):
    fullrank.errors.UserError: nowhere/fullrank.json cannot be read (...): export again.
    """
    about = About.read(folder)
    way = FORMATS.get(about.format)
    if way is None:
        raise UserError(f"{folder} is an export to {about.format}, which this version does not know: export again.")
    if way.runs_code and not trust:
        raise UserError(
            f"Reading {folder} could run code in it: pass --trust (trust=True from Python) if you know where it is "
            "from; finetune and detect take no such program, but the run or file it was exported from."
        )
    for path in folder.iterdir():
        if not path.is_dir():
            require_file(path)
    require_room(about.name, about.image_size, about.channels)
    try:
        made = way.read(folder, about)
        with torch.inference_mode():
            shape = tuple(made.encoder(torch.zeros(1, about.channels, about.image_size, about.image_size)).shape)
        if shape != (1, about.width):
            raise ValueError(f"it gives features of shape {shape[1:]} for one image, not of width {about.width}")
    except UserError:
        raise
    except Exception as error:  # libraries raise anything
        first = first_line(error)[:200]
        raise UserError(f"{folder} cannot be read as an export to {about.format} ({first}): export again.") from error
    return replace(made, range=about.range)
