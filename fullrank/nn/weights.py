"""Weights to begin from: a file, a run, or those that timm or torchvision publish. Nothing in a file is executed."""

from __future__ import annotations

import argparse
import hashlib
import pickle
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from fullrank.errors import UserError, first_line, suggest
from fullrank.nn.encoder import OBJECT, SMALL, Stem
from fullrank.nn.encoder_file import read_encoder
from fullrank.runs.arrays import begins_as_saved, grows
from fullrank.runs.kind import require_training
from fullrank.runs.reading import read_json
from fullrank.runs.trusted import is_file_of_code

LIBRARIES = ("timm:", "torchvision:")
KINDS = ".safetensors, .pth, .pt, .ckpt, .tar or .bin"


@dataclass(frozen=True, eq=False)
class Weights:
    """Tensors by name, and what is known of the network that they are of; None where the source does not say.

    Attributes:
        source: Where they are from, for messages.
        tensors: The tensors by name.
        backbone: Name of the network.
        stem: "small" or "imagenet".
        mean: Mean of the images by channel, of pixels in [0, 1].
        std: Standard deviation of the images by channel.
        image_size: Pixels of a side that the network was trained with.
        prefix: The part of the names that was asked for.
        sha256: Checksum of the file, in hexadecimal digits.
    """

    source: str
    """The absolute path, timm:NAME.TAG or torchvision:NAME.WEIGHTS."""
    tensors: Mapping[str, Tensor]
    backbone: str | None = None
    stem: Stem | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    image_size: int | None = None
    prefix: str | None = None
    """Where the wanted tensors are, if the caller said so by PATH::PREFIX."""
    sha256: str | None = None


def open_weights(spec: str) -> Weights:
    """The weights that `PATH`, `PATH::PREFIX`, `RUN`, `timm:NAME` or `torchvision:NAME` stands for.

    Those of a library are downloaded, or taken from its cache.

    Args:
        spec: A file, a part of it, a run, or the name of a library's weights.

    Raises:
        UserError: There are no such weights, or they cannot be read.

    >>> open_weights("nowhere.pth")
    Traceback (most recent call last):
    fullrank.errors.UserError: There is no file nowhere.pth: pass a file, a run, timm:NAME or torchvision:NAME.
    """
    kind, _, name = spec.partition(":")
    if kind == "timm" and name:
        return _of_timm(name)
    if kind == "torchvision" and name:
        return _of_torchvision(name)
    place, _, prefix = spec.partition("::")
    path = Path(place)
    if path.is_dir():
        path = path / "encoder.safetensors"
        if not path.is_file():
            if (path.parent / "config.json").is_file():
                require_training(path.parent, read_json(path.parent / "config.json"))
            raise UserError(f"{place} is a folder without encoder.safetensors: pass a finished run, or a file.")
    if not path.is_file():
        raise UserError(f"There is no file {place}: pass a file, a run, timm:NAME or torchvision:NAME.")
    path = path.resolve()
    found = _safetensors(path) if path.suffix == ".safetensors" else Weights(str(path), _torch(path))
    if not found.tensors:
        raise UserError(f"{place} holds no tensor: pass a file of weights ({KINDS}).")
    return _with(found, prefix=prefix or None, sha256=_sha256(path))


def is_foreign(path: Path) -> bool:
    """Whether a file is one of weights that FullRank did not write."""
    if path.suffix.lower() in (".pth", ".pt", ".ckpt", ".tar", ".bin"):
        return path.is_file()
    if path.suffix.lower() != ".safetensors" or not path.is_file():
        return False
    try:
        with safe_open(path, framework="pt") as file:
            return "fullrank" not in (file.metadata() or {})
    except (SafetensorError, OSError):
        return False


def _with(weights: Weights, **changes: Any) -> Weights:
    return Weights(**{**vars(weights), **changes})


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _safetensors(path: Path) -> Weights:
    """A file of FullRank's, which says what it is of, or any other."""
    try:
        with safe_open(path, framework="pt") as file:
            if "fullrank" not in (file.metadata() or {}):
                return Weights(str(path), {name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
        about, tensors = read_encoder(path)
        mean, std = tuple(about["mean"]), tuple(about["std"])
        stem: Stem = about.get("stem") or ("small" if about["image_size"] <= SMALL else "imagenet")
        name = about["name"]  # code that a file names is not run: there the caller says which backbone
        known = None if is_file_of_code(name) or name.startswith(OBJECT) else name
        return Weights(str(path), tensors, known, stem, mean, std, about["image_size"])
    except (SafetensorError, AttributeError, KeyError, TypeError, ValueError, OSError) as error:
        first = str(error).strip().splitlines()[0]
        raise UserError(f"{path} is not a .safetensors file, or it is damaged ({first}): write it again.") from None


def _torch(path: Path) -> dict[str, Tensor]:
    """The tensors of a file of torch.save by their places; nothing is unpickled but tensors and plain values."""
    if held := grows(path):  # it could be a bomb
        raise UserError(f"{path} holds {held}, which torch.save does not write of tensors: write it again.")
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):  # the settings that DINO and MoCo keep beside
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        if not begins_as_saved(path):
            raise UserError(f"{path} is not a file of weights, which begins otherwise: pass {KINDS}.") from None
        more = ", ".join(_foreign(path)[:3]) or "what only running code could read"
        raise UserError(
            f"{path} holds more than tensors ({more}), and reading the rest could run code: where you trust the file, "
            "write its weights alone by torch.save(torch.load(PATH, weights_only=False)['state_dict'], 'weights.pth')."
        ) from None
    except Exception as error:  # an unpickler of broken bytes raises whatever it comes upon
        why = f" ({first_line(error)[:120]})" if begins_as_saved(path) else ", which begins otherwise"
        raise UserError(f"{path} is not a file of weights{why}: pass {KINDS}.") from None
    return dict(_flat(content, ""))


def _foreign(path: Path) -> list[str]:
    try:
        return sorted(torch.serialization.get_unsafe_globals_in_checkpoint(path))
    except Exception:  # of broken bytes
        return []


def _flat(content: Any, place: str) -> Iterator[tuple[str, Tensor]]:
    if isinstance(content, Tensor):
        yield place, content
    elif isinstance(content, Mapping):
        for key, value in content.items():
            yield from _flat(value, f"{place}.{key}" if place else str(key))


def _of_timm(name: str) -> Weights:
    import timm

    kind = name.partition(".")[0]
    if kind not in timm.list_models():
        raise UserError(
            f"timm has no model {kind}: {suggest(kind, timm.list_models(), otherwise='see timm.list_models().')}"
        )
    known = timm.list_pretrained(f"{kind}.*")
    if not known:
        raise UserError(f"timm publishes no weights of {kind}: pass another network, or the path of a file.")
    if name not in (kind, *known):
        raise UserError(f"timm has no weights {name}: {suggest(name, known, otherwise=f'pass {kind}.')}")
    model = _downloaded(f"timm:{name}", lambda: timm.create_model(name, pretrained=True, num_classes=0))
    about = model.pretrained_cfg
    source = kind if not about.get("tag") else f"{kind}.{about['tag']}"
    pixels = tuple(about["mean"]), tuple(about["std"])
    return Weights(f"timm:{source}", model.state_dict(), source, "imagenet", *pixels, about["input_size"][-1])


def _of_torchvision(name: str) -> Weights:
    from torchvision import models

    kind, _, tag = name.partition(".")
    if kind not in models.list_models(module=models):
        hint = suggest(kind, models.list_models(module=models), otherwise="see torchvision.models.list_models().")
        raise UserError(f"torchvision has no classifier {kind}: {hint}")
    known = models.get_model_weights(kind)
    if tag and tag not in known.__members__:
        raise UserError(
            f"torchvision has no weights {name}: pass {', '.join(f'{kind}.{each}' for each in known.__members__)}."
        )
    chosen = known[tag] if tag else known.DEFAULT
    state = _downloaded(f"torchvision:{name}", lambda: chosen.get_state_dict(progress=False, check_hash=True))
    shown = chosen.transforms()
    source = f"torchvision:{kind}.{chosen.name}"
    pixels = tuple(shown.mean), tuple(shown.std)
    return Weights(source, state, f"torchvision/{kind}", "imagenet", *pixels, shown.crop_size[0])


def _downloaded(name: str, get: Any) -> Any:
    with torch.random.fork_rng():
        try:
            return get()
        except Exception as error:  # whatever a network raises
            first = (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
            raise UserError(
                f"The weights {name} cannot be downloaded ({type(error).__name__}: {first}): get online, or pass the "
                "path of a file that you have."
            ) from error


def published_pixels(backbone: str) -> tuple[tuple[float, ...], tuple[float, ...], int] | None:
    """Mean and standard deviation of pixels, and image size, that timm publishes for a model; None for any other.

    >>> published_pixels("tf_efficientnet_lite0")
    ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5), 224)
    """
    import timm

    if backbone.partition(".")[0] not in timm.list_models():
        return None
    about = timm.get_pretrained_cfg(backbone)
    return None if about is None else (tuple(about.mean), tuple(about.std), about.input_size[-1])
