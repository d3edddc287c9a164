"""A trained encoder as one file: its weights under the names of its library, and what is needed to use them."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from fullrank.errors import UserError, command, first_line
from fullrank.nn.encoder import OBJECT, Encoder, Stem, encoder, encoder_name, require_fit
from fullrank.nn.own_module import code_hash
from fullrank.runs.kind import require_training
from fullrank.runs.reading import read_json, require_file
from fullrank.runs.trusted import file_of_code, is_file_of_code, require_trust

_FORMAT = 3  # 1, of version 0.1.0, put "model." before every name; 2 had no checksum
_LONGEST = 4096  # letters of a network's name, which may be the path of a file
_LIBRARIES = ("fullrank", "torch", "torchvision", "timm")


@dataclass(frozen=True, eq=False)
class SavedEncoder:
    """An encoder in eval mode, and the mean and standard deviation (by channel, of pixels in [0, 1]) of its input.

    Attributes:
        encoder: The encoder.
        mean: Mean by channel.
        std: Standard deviation by channel.
        loss_features: How many of the first features entered the loss by themselves; None where all did.
        recipe: What trained it; None where the file does not say.
        versions: Versions of the libraries that trained it, by name.
        range: What became 0 and 255 in the training images of more than 8 bits; None where there were none.
        inside: Mean and standard deviation that the network itself normalizes by, as an exported graph does.
    """

    encoder: Encoder
    mean: tuple[float, ...]
    std: tuple[float, ...]
    loss_features: int | None = None
    recipe: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    range: tuple[float, float] | None = None
    inside: tuple[tuple[float, ...], tuple[float, ...]] | None = None

    def __call__(self, images: Tensor) -> Tensor:
        """Representation (N, width) of images (N, C, S, S), uint8 or float in [0, 1], on their device.

        They are normalized here, once. Raises UserError for numbers outside that range, as normalized ones are, and for
        another type, number of channels or size than those of the training.
        """
        pixels = pixels_of(images, self.encoder.channels)
        mean, std = (pixels.new_tensor(values).view(-1, 1, 1) for values in (self.mean, self.std))
        size = self.encoder.image_size
        if pixels.shape[-2:] != (size, size):
            raise UserError(
                f"The images have {pixels.shape[-2]} x {pixels.shape[-1]} px, and this encoder takes {size} x {size}: "
                "resize them, or call embed(), which does."
            )
        representation: Tensor = self.encoder((pixels - mean) / std)
        return representation

    def untrained(self, seed: int) -> SavedEncoder:
        """The same network with fresh weights, as a baseline."""
        of = self.encoder
        if of.name.startswith(OBJECT):
            raise UserError(f"{of.name} cannot be made again without its weights: leave out the untrained baseline.")
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            fresh = encoder(of.name, image_size=of.image_size, channels=of.channels, stem=of.stem)
        mean, std = self.inside or (self.mean, self.std)
        return replace(self, encoder=fresh.eval(), mean=mean, std=std, inside=None)


def pixels_of(images: Tensor, channels: int) -> Tensor:
    """Images (N, C, H, W), uint8 or float in [0, 1], as float32 in [0, 1].

    Args:
        images: Images (N, C, H, W), uint8 or float in [0, 1].
        channels: How many channels they must have.

    Raises:
        UserError: They are no tensor, or of another type, range or number of channels.

    >>> pixels_of(torch.full((1, 1, 2, 2), 255, dtype=torch.uint8), 1).max()
    tensor(1.)
    >>> pixels_of(torch.full((1, 1, 2, 2), -2.1), 1)
    Traceback (most recent call last):
    fullrank.errors.UserError: The images are float32 from -2.1 to -2.1: pass uint8, or float in [0, 1] before ...
    """
    if not isinstance(images, Tensor):
        raise UserError(f"A {type(images).__name__} was passed: pass a tensor, or files and PIL images to embed().")
    if images.ndim != 4:
        raise UserError(f"The images have the shape {tuple(images.shape)}: pass (images, channels, height, width).")
    if images.shape[1] != channels:
        taken = f"this encoder takes {channels} (1 is gray, 3 is RGB)"
        last = ", with the channels before height and width" if images.shape[-1] == channels else ""
        raise UserError(f"The images have {images.shape[1]} channels, and {taken}: pass such images{last}.")
    if images.dtype == torch.uint8:
        return images.float() / 255
    name = str(images.dtype).removeprefix("torch.")
    if not images.is_floating_point():
        raise UserError(f"The images are {name}: pass uint8, or float in [0, 1].")
    low, high = (float(value) for value in images.aminmax()) if images.numel() else (0.0, 1.0)
    if not (low >= 0 and high <= 1):  # also false for NaN
        raise UserError(
            f"The images are {name} from {low:.3g} to {high:.3g}: pass uint8, or float in [0, 1] before any "
            "normalization, which the encoder does itself."
        )
    return images.float()


def encoder_bytes(
    trained: Encoder,
    *,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    loss_features: int | None = None,
    recipe: str | None = None,
    span: tuple[float, float] | None = None,
) -> bytes:
    """The content of an encoder.safetensors file; the arguments are the fields of a `SavedEncoder`, `span` its range.

    The tensors have the names that timm or torchvision gives them, without the classifier.

    Args:
        trained: The encoder.
        mean: Mean of its images by channel, of pixels in [0, 1].
        std: Standard deviation of its images by channel.
        loss_features: How many of the first features entered the loss by themselves; None if all.
        recipe: What trained it.
        span: The values that became 0 and 255 in images of more than 8 bits.

    >>> content = encoder_bytes(encoder("tiny", image_size=28, channels=1), mean=(0.5,), std=(0.25,))
    >>> len(content) > 300_000
    True
    """
    about = {
        "format": _FORMAT,
        "name": trained.name,
        "stem": trained.stem,
        "image_size": trained.image_size,
        "channels": trained.channels,
        "mean": mean,
        "std": std,
        "loss_features": loss_features,
        "recipe": recipe,
        "range": span,
        "versions": {name: version(name) for name in _LIBRARIES},
    }
    if is_file_of_code(trained.name):
        about["code_sha256"] = code_hash(trained.name)
    tensors = tensors_of(trained.model)
    about["checksum"] = _checksum(about, tensors)
    return bytes(save(tensors, metadata={"fullrank": json.dumps(about)}))  # a second entry would come in any order


def tensors_of(model: nn.Module) -> dict[str, Tensor]:
    """The tensors of a network on the CPU, by its library's names; each has its own memory, as safetensors wants it.

    >>> tied = nn.Linear(2, 2, bias=False)
    >>> [*tensors_of(nn.Sequential(tied, tied))]
    ['0.weight', '1.weight']
    """
    tensors = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    times = Counter(value.untyped_storage().data_ptr() for value in tensors.values())
    shared = {name for name, value in tensors.items() if times[value.untyped_storage().data_ptr()] > 1}
    return {name: value.clone() if name in shared else value for name, value in tensors.items()}


def load_encoder(path: str | Path, *, backbone: str | nn.Module | None = None, trust: bool = False) -> SavedEncoder:
    """Read an encoder.safetensors file, also of version 0.1.0.

    No code in it is run. Where it names a file of code as its network, that file is run if the user has run it before
    as it is now; `trust` runs any. `backbone` takes the weights of an encoder that was an object of one's own.

    Args:
        path: The file.
        backbone: The network, where it was an object or a file of one's own; any other name must be the file's.
        trust: Whether a file of code that it names may be run.

    Raises:
        UserError: The file is missing, is not one of FullRank's, names another network, or code that may not be run.
    """
    path = Path(path)
    try:
        about, tensors = read_encoder(path)
        require_plausible(about)
        of = {name: about[name] for name in ("image_size", "channels")}
        name = _known_network(path, about, backbone, trust)
        if isinstance(name, str) and not is_file_of_code(name):
            require_fit(tensors, name, stem=about.get("stem"), **of)
        fresh = encoder(name, stem=about.get("stem"), **of)
        fresh.model.load_state_dict(tensors)
        mean, std = tuple(about["mean"]), tuple(about["std"])
    except FileNotFoundError as error:
        if not (path.parent / "config.json").is_file():
            what = f"{path} is missing, and {path.parent} is not a run folder"
            raise UserError(f"{what}: pass a run that `fullrank train` made.") from error
        require_training(path.parent, read_json(path.parent / "config.json"))
        raise UserError(
            f"{path} is missing: finish the training with `{command('train', '--resume', path.parent)}`."
        ) from error
    except (SafetensorError, ArithmeticError, LookupError, TypeError, ValueError, RuntimeError, OSError) as error:
        what = f"{path} is not an encoder of FullRank ({first_line(error)[:200]})"
        raise UserError(f"{what}: pass one that `fullrank train` made.") from error
    said = about.get("loss_features"), about.get("recipe"), about.get("versions", {})
    return SavedEncoder(fresh.eval(), mean, std, *said, range=tuple(about["range"]) if about.get("range") else None)


def _known_network(
    path: Path, about: Mapping[str, Any], backbone: str | nn.Module | None, trust: bool
) -> str | nn.Module:
    """What makes the network of a file: its name, if that runs no code that changed, or what the caller says."""
    name = str(about["name"])
    if isinstance(backbone, str):
        backbone = encoder_name(backbone)
        if backbone != name and not (name.startswith(OBJECT) or is_file_of_code(name)):
            raise UserError(f"{path} holds weights of {name}, not of {backbone}: leave out --backbone.")
    if backbone is not None:
        return backbone
    if name.startswith(OBJECT):
        what = name.removeprefix(OBJECT)
        raise UserError(
            f"The network in {path} was the object {what}: pass one, as in fullrank.load(run, backbone=...)."
        )
    if is_file_of_code(name):
        require_trust(file_of_code(name), str(path), trust=trust)
    return name


def require_plausible(about: Mapping[str, Any]) -> None:
    """Raise ValueError where what a file says of its encoder cannot be, before a network is made of it.

    >>> require_plausible({"name": "tiny", "image_size": -8, "channels": 1, "mean": [0.5], "std": [0.25]})
    Traceback (most recent call last):
    ValueError: its image_size cannot be -8
    """
    if not isinstance(about, Mapping):
        raise ValueError("it says nothing of its network")

    def numbers(name: str, count: object) -> bool:
        values = about.get(name)
        of_one_kind = isinstance(values, list | tuple) and all(type(each) in (int, float) for each in values)
        return of_one_kind and len(values) == count and all(map(math.isfinite, values))  # type: ignore[arg-type]

    def positive(name: str) -> bool:
        return type(about.get(name)) is int and about[name] > 0

    channels, width = about.get("channels"), about.get("loss_features")
    for name, holds in {
        "name": isinstance(about.get("name"), str) and len(about["name"]) <= _LONGEST,
        "stem": about.get("stem") in (None, *get_args(Stem)),
        "image_size": positive("image_size"),
        "channels": positive("channels"),
        "mean": numbers("mean", channels),
        "std": numbers("std", channels) and min(about["std"]) > 0,
        "loss_features": width is None or positive("loss_features"),
        "recipe": isinstance(about.get("recipe"), str | None),
        "versions": isinstance(about.get("versions", {}), dict),
        "range": about.get("range") is None or numbers("range", 2),
    }.items():
        if not holds:
            raise ValueError(f"its {name} cannot be {str(about.get(name))[:80]}")


def read_encoder(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What the header of an encoder's file says, and its tensors by the names of its library.

    KeyError without it, ValueError if one of both is not as it was written.
    """
    require_file(path)
    with safe_open(path, framework="pt") as file:
        about: dict[str, Any] = json.loads((file.metadata() or {})["fullrank"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is not a dict)
    if "checksum" in about or about.get("format", 1) >= 3:
        if about.pop("checksum", None) != _checksum(about, tensors):
            raise ValueError("it is damaged: its checksum is not that of its content")
    elif about.get("format", 1) == 1:
        tensors = {name.removeprefix("model."): value for name, value in tensors.items()}
    return about, tensors


def _checksum(about: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """A hash of all that the file of an encoder says and holds."""
    digest = hashlib.blake2b(json.dumps(about, sort_keys=True).encode(), digest_size=16)
    for name, value in sorted(tensors.items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)} ".encode())
        digest.update(value.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
