"""A trained detector as one file: its weights, and what is needed to build it again. Reading it runs no code."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from fullrank.data.pixels import Decoding
from fullrank.detection.annotations import AnnotatedImage
from fullrank.detection.annotations.checks import size_of
from fullrank.detection.models import Detector, build
from fullrank.detection.options import DetectorSettings
from fullrank.detection.predict import Plain, find_all
from fullrank.detection.scores import Found
from fullrank.errors import UserError, first_line
from fullrank.nn import SavedEncoder, encoder


@dataclass(frozen=True, eq=False)
class TrainedDetector:
    """A detector in eval mode, the names of its classes, and the settings that it was trained with."""

    detector: Detector
    classes: tuple[str, ...]
    settings: DetectorSettings
    decoding: Decoding

    def find(self, images: Sequence[str | Path]) -> list[Found]:
        """What is in the image files, in their order; a label is the place of its name in `classes`.

        Raises:
            UserError: For a file that is not an image.
        """
        device = next(self.detector.parameters()).device
        annotated = [_annotated(Path(image)) for image in images]
        return find_all(self.detector, plain(annotated, self.settings, self.decoding), device=device)


def plain(images: Sequence[AnnotatedImage], settings: DetectorSettings, decoding: Decoding) -> Plain:
    """Images as a detector of these settings looks at them."""
    return Plain(images, decoding, settings.test_side or max(settings.short_side), settings.long_side)


def _annotated(path: Path) -> AnnotatedImage:
    counted: Counter[str] = Counter()
    size = size_of(path, None, counted)
    if size is None:
        raise UserError(f"{path} is missing or not an image: pass another.")
    return AnnotatedImage(path, str(path), *size, ())


def network_of(saved: SavedEncoder) -> dict[str, Any]:
    """What makes the encoder's network again, without its weights; and how its images are read."""
    made = saved.encoder
    of = {"name": made.name, "image_size": made.image_size, "channels": made.channels, "stem": made.stem}
    return {**of, "mean": list(saved.mean), "std": list(saved.std), "range": saved.range}


def blank(network: Mapping[str, Any]) -> SavedEncoder:
    """The encoder of `network_of`, untrained."""
    of = {name: network[name] for name in ("image_size", "channels", "stem")}
    with torch.random.fork_rng():
        made = encoder(str(network["name"]), **of)
    span = network.get("range")  # version 0.2.0 noted none
    return SavedEncoder(
        made, tuple(network["mean"]), tuple(network["std"]), range=None if span is None else (span[0], span[1])
    )


def decoding_of(saved: SavedEncoder) -> Decoding:
    """How images are read for an encoder."""
    return Decoding(saved.encoder.channels, saved.range)


def detector_bytes(
    detector: Detector, network: Mapping[str, Any], settings: DetectorSettings, classes: Sequence[str]
) -> bytes:
    """The file; a tensor that stands at two places is kept at the first."""
    about = {"network": dict(network), "settings": asdict(settings), "classes": list(classes)}
    tensors: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, value in detector.network.state_dict().items():
        if value.data_ptr() not in seen or value.numel() == 0:
            tensors[name] = value.detach().cpu().contiguous()
        seen.add(value.data_ptr())
    content: bytes = save(tensors, metadata={"fullrank-detector": json.dumps(about)})
    return content


def load_detector(run: str | Path) -> TrainedDetector:
    """The detector of a run of `fullrank detect`, or of its detector.safetensors; without one, a UserError."""
    path = Path(run)
    path = path / "detector.safetensors" if path.is_dir() else path
    if not path.is_file():
        raise UserError(f"There is no file {path}: pass a finished run of `fullrank detect`.")
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})["fullrank-detector"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is not a dict)
        settings = DetectorSettings(**{name: _plain(value) for name, value in about["settings"].items()})
        saved = blank(about["network"])
        detector = build(saved, len(about["classes"]), settings)
        _fill(detector, tensors)
    except (
        SafetensorError,
        ArithmeticError,
        AttributeError,
        LookupError,
        OSError,
        TypeError,
        ValueError,
        RuntimeError,
    ) as error:
        first = first_line(error)[:200]
        raise UserError(
            f"{path} is not a detector of FullRank ({first}): pass one that `fullrank detect` made."
        ) from None
    return TrainedDetector(detector.eval(), tuple(about["classes"]), settings, decoding_of(saved))


def _plain(value: object) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _fill(detector: Detector, tensors: Mapping[str, Tensor]) -> None:
    """Put tensors at their places, and at the other places of each; RuntimeError where one is missing."""
    ours = detector.network.state_dict()
    at = {value.data_ptr(): name for name, value in ours.items() if name in tensors and value.numel()}
    whole = {name: tensors.get(name, tensors.get(at.get(value.data_ptr(), ""))) for name, value in ours.items()}
    detector.network.load_state_dict({name: value for name, value in whole.items() if value is not None})
