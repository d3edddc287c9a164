"""The layout that timm reads: model.safetensors and a config.json with architecture, arguments and pixels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from fullrank.errors import UserError
from fullrank.nn.encoder import Encoder
from fullrank.nn.encoder_file import SavedEncoder, tensors_of
from fullrank.nn.exports.folder import ELSEWHERE, About, as_published

USE = """\
import timm

model = timm.create_model("local-dir:FOLDER", pretrained=True, num_classes=0).eval()
transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))  # of a PIL image
"""


def write(saved: SavedEncoder, folder: Path) -> None:
    """Write both; raises UserError for a network that timm does not have."""
    import timm

    name = as_published(saved, "timm")
    if name.partition(".")[0] not in timm.list_models():
        raise UserError(f"{name} is not a network of timm: pass --to torchvision, or {ELSEWHERE}.")
    of = saved.encoder
    save_file(tensors_of(saved.encoder.model), folder / "model.safetensors", metadata={"format": "pt"})
    pixels = {
        "input_size": [of.channels, of.image_size, of.image_size],
        "mean": list(saved.mean),
        "std": list(saved.std),
        "crop_pct": 0.875,  # as the images that it is scored on are cut
        "interpolation": "bilinear",
        "num_classes": 0,
        "fixed_input_size": bool(timm.get_pretrained_cfg_value(name, "fixed_input_size")),
        "first_conv": timm.get_pretrained_cfg_value(name, "first_conv"),
        "classifier": timm.get_pretrained_cfg_value(name, "classifier"),
    }
    config = {
        "architecture": name.partition(".")[0],
        "num_classes": 0,
        "num_features": of.width,
        "pretrained_cfg": pixels,
        "model_args": _arguments(of, fixed=bool(pixels["fixed_input_size"])),
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _arguments(of: Encoder, *, fixed: bool) -> dict[str, Any]:
    """What the constructor of the network must be told."""
    arguments: dict[str, Any] = {"in_chans": of.channels}
    if fixed:
        arguments["img_size"] = of.image_size
        patch = getattr(getattr(of.model, "patch_embed", None), "patch_size", None)
        if of.stem == "small" and patch is not None:
            arguments["patch_size"] = patch[0]
    return arguments


def read(folder: Path, about: About) -> SavedEncoder:
    """The encoder, made by timm alone."""
    import timm

    model = timm.create_model(f"local-dir:{folder}", pretrained=True, num_classes=0)
    of = {"width": about.width, "name": about.name, "channels": about.channels, "image_size": about.image_size}
    made = Encoder(model, stem=about.stem, **of).eval()  # type: ignore[arg-type]
    return SavedEncoder(made, about.mean, about.std, recipe=about.recipe, versions=about.versions)
