"""The layout of a model on the Hugging Face Hub: timm's, which transformers and timm both read, and a model card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from fullrank.nn.encoder_file import SavedEncoder
from fullrank.nn.exports import timm
from fullrank.nn.exports.folder import About, Called

USE = """\
from transformers import AutoImageProcessor, AutoModel

model = AutoModel.from_pretrained("FOLDER").eval()  # or timm.create_model("local-dir:FOLDER", pretrained=True)
processor = AutoImageProcessor.from_pretrained("FOLDER")
# features = model(**processor(image, return_tensors="pt")).pooler_output
"""

write = timm.write


def read(folder: Path, about: About) -> SavedEncoder:
    """The encoder, made by transformers alone."""
    from transformers import AutoModel

    model: Any = AutoModel.from_pretrained(str(folder), trust_remote_code=False).eval()

    def call(images: Tensor) -> Tensor:
        features: Tensor = model(pixel_values=images).pooler_output
        return features

    made = timm.read(folder, about)
    made.encoder.model = Called(call)
    return made
