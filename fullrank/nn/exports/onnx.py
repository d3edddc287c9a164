"""An ONNX graph that normalizes its pixels and takes any number of images."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fullrank.nn.encoder_file import SavedEncoder
from fullrank.nn.exports.folder import About, Pixels, whole

USE = """\
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("FOLDER/model.onnx")
images = np.zeros((4, CHANNELS, SIZE, SIZE), dtype=np.float32)  # in [0, 1]; the graph normalizes them
(features,) = session.run(None, {"images": images})
"""


def write(saved: SavedEncoder, folder: Path) -> None:
    """Write model.onnx: "images" float32 (batch, C, S, S) in [0, 1] to "features" (batch, width)."""
    of = saved.encoder
    images = torch.rand(2, of.channels, of.image_size, of.image_size)
    with _quiet():
        program = torch.onnx.export(
            Pixels(saved).cpu().eval(),
            (images,),
            input_names=["images"],
            output_names=["features"],
            dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
            dynamo=True,
            verbose=False,
        )
        assert program is not None
        program.model.metadata_props["fullrank"] = json.dumps(asdict(About.of(saved, "onnx")))
        program.save(str(folder / "model.onnx"), external_data=False)


@contextlib.contextmanager
def _quiet() -> Any:
    """Without what the exporter remarks of its own progress."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def read(folder: Path, about: About) -> SavedEncoder:
    """The encoder, run by onnxruntime on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])

    def call(images: Tensor) -> Tensor:
        (features,) = session.run(None, {"images": images.detach().cpu().float().numpy()})
        return torch.from_numpy(features).to(images.device)

    return whole(about, call)
