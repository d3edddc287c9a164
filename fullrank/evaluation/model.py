"""A trained encoder that takes images as they come: paths, PIL images and tensors, checked and brought to size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn

from fullrank.data import as_gray_or_rgb, center_of_image, center_of_tensor, strict_decoding
from fullrank.data.decode import read_raw
from fullrank.data.pixels import Decoded, Decoding, finished
from fullrank.data.sources.load import IMAGENET_MEAN, IMAGENET_STD
from fullrank.errors import UserError, command
from fullrank.nn import SavedEncoder, begin_from, encoder, load_encoder, open_weights, pixels_of
from fullrank.nn.encoder import encoder_name
from fullrank.nn.exports import NOTE, open_export
from fullrank.nn.weights import LIBRARIES, is_foreign, published_pixels
from fullrank.runs.reading import as_path

ImageLike = str | Path | Image.Image | Tensor
"""A path, a PIL image, or one image (C, H, W), uint8 or float in [0, 1]."""


@dataclass(frozen=True, eq=False)
class Model(SavedEncoder):
    """The encoder of a run, or of a file; `place` is where it was found: an absolute path, or a library's name."""

    place: str = ""

    def embed(
        self, images: Sequence[ImageLike] | Tensor, *, batch_size: int = 64, span: tuple[float, float] | None = None
    ) -> Tensor:
        """The representation of images: float32 (N, width) on the CPU, in their order.

        Images are brought to the encoder's size as `evaluate` brings them: of files and PIL images the shorter side
        to 8/7 of it and then the center, of tensors the shorter side and then the center. An image's colors become
        gray for an encoder of one channel; a tensor must have the encoder's channels.

        Args:
            images: Paths, PIL images, and tensors (C, H, W), mixed at will, or a tensor (N, C, H, W); tensors are
                uint8, or float in [0, 1], not yet normalized.
            batch_size: Images that are encoded at once, at least 1.
            span: Values that become 0 and 255 in files and PIL images of more than 8 bits; by default those of the
                training.

        Raises:
            UserError: For a file that cannot be read, whose values have no known range or that holds several images,
                and for a tensor of another type, range or number of channels; it names the image by its place.
        """
        one = isinstance(images, str | Path | Image.Image) or (isinstance(images, Tensor) and images.ndim == 3)
        if one:
            raise UserError("One image was passed: pass a list of images, as in embed([image]).")
        if not hasattr(images, "__len__"):
            raise UserError(f"A {type(images).__name__} was passed: pass a list of images, as in embed([*images]).")
        if len(images) == 0:
            raise UserError("There is no image to embed: pass at least one.")
        if batch_size < 1:
            raise UserError(f"The batch size must be at least 1, got {batch_size}.")
        device = next((tensor.device for tensor in self.encoder.state_dict().values()), torch.device("cpu"))
        with torch.inference_mode():
            pixels = self._pixels(images, span or self.range)
            parts = [self(torch.stack(part).to(device)).float().cpu() for part in _parts(pixels, batch_size)]
        return torch.cat(parts).clone()

    def _pixels(self, images: Iterable[ImageLike], span: tuple[float, float] | None) -> Iterator[Tensor]:
        for place, image in enumerate(images):
            try:
                yield _pixels(image, Decoding(self.encoder.channels, span), self.encoder.image_size)
            except UserError as error:
                raise UserError(f"Image {place}: {error}") from None


def open_model(
    source: str | Path,
    *,
    backbone: nn.Module | None = None,
    trust: bool = False,
    network: str | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Model:
    """The model of a run, the file of an encoder, an export's folder, or the weights timm:NAME or torchvision:NAME.

    `backbone` and `trust` are those of `fullrank.nn.load_encoder`, and a torch-export needs trust too; `say` hears how
    many tensors of weights fit. `network` is the backbone that the file of another framework is of; one of FullRank's
    must be of it too. Raises UserError if there is none, and for a network of which weights are missing.

    >>> open_model("nowhere")
    Traceback (most recent call last):
    fullrank.errors.UserError: nowhere does not exist: pass the folder of a run, or the file of an encoder.
    """
    if str(source).startswith(LIBRARIES) or (network is not None and "::" in str(source)):
        saved = _of_weights(str(source), network, say)
        place = str(saved.recipe)
    else:
        path = as_path(source)
        if not path.exists():
            raise UserError(f"{path} does not exist: pass the folder of a run, or the file of an encoder.")
        saved = _of_path(path, backbone if network is None else network, trust, say)
        place = str(saved.recipe if _is_foreign(path, network) else path.resolve())
    return Model(**{field.name: getattr(saved, field.name) for field in fields(saved)}, place=place)


def _of_path(path: Path, backbone: str | nn.Module | None, trust: bool, say: Callable[[str], None]) -> SavedEncoder:
    """The encoder of a run, an export's folder, or a file; a name of its network decides for foreign files alone."""
    if (path / NOTE).is_file():
        if isinstance(backbone, str):
            raise UserError(f"{path} is an export, which says of which network it is: leave out --backbone.")
        return open_export(path, trust=trust)
    file = path / "encoder.safetensors" if path.is_dir() else path
    if not _is_foreign(file, backbone):
        return load_encoder(file, backbone=backbone, trust=trust)
    if isinstance(backbone, str):
        return _of_weights(str(path), backbone, say)
    example = command("embed", path, "IMAGES", "--backbone", "resnet50", "--out", "z.parquet")
    raise UserError(
        f"{path} holds weights and does not say of which network: name it by --backbone, as in `{example}`."
    )


def _is_foreign(file: Path, backbone: object) -> bool:
    """Whether a file is of another framework: by its ending, or where its network is named, by any but FullRank's."""
    named = isinstance(backbone, str) and file.is_file() and file.suffix.lower() != ".safetensors"
    return named or is_foreign(file)


def _of_weights(source: str, network: str | None, say: Callable[[str], None]) -> SavedEncoder:
    """An encoder with weights that a library publishes or another framework made, at the size that they are for."""
    weights = open_weights(source)
    name = encoder_name(network or str(weights.backbone))
    if weights.backbone not in (None, name):
        raise UserError(
            f"The weights of {weights.source} are of {weights.backbone}, not of {name}: leave out --backbone."
        )
    known = published_pixels(name)
    mean, std, size = known if known is not None else (IMAGENET_MEAN, IMAGENET_STD, 224)
    side, channels = weights.image_size or size, len(weights.mean or mean)
    made = encoder(name, image_size=side, channels=channels, stem=weights.stem or "imagenet")
    saved = SavedEncoder(made.eval(), weights.mean or mean, weights.std or std, recipe=weights.source)
    values = "mean {} and deviation {}".format(*(", ".join(f"{v:g}" for v in each) for each in (saved.mean, saved.std)))
    begun = begin_from(weights, made)
    if begun.left:
        some = ", ".join(begun.left[:3])
        raise UserError(
            f"{weights.source} has no weights for {len(begun.left)} of {begun.of} tensors of {made.name} ({some}), "
            "which would be random: pass the --backbone that they are of, or train from them by --weights."
        )
    say(f"{begun.sentence(made.name)} Pixels are normalized with {values}.")
    return saved


def _parts(pixels: Iterator[Tensor], size: int) -> Iterator[list[Tensor]]:
    while part := list(islice(pixels, size)):
        yield part


def _pixels(image: ImageLike, decoding: Decoding, size: int) -> Tensor:
    """One image as float (C, size, size) in [0, 1]."""
    channels = decoding.channels or 3
    if isinstance(image, Tensor):
        if image.ndim != 3:
            raise UserError(f"it has the shape {tuple(image.shape)}: pass (channels, height, width).")
        pixels = pixels_of(image[None], channels)
        return pixels[0] if pixels.shape[-2:] == (size, size) else _resized(pixels, size)[0]
    if not isinstance(image, Image.Image):
        return center_of_image(_opened(image, decoding), size).float() / 255
    if channels not in (1, 3):
        raise UserError(f"it is a PIL image, and the encoder takes {channels} channels: pass a tensor or a file.")
    try:
        shown = as_gray_or_rgb(image, decoding.range).convert("L" if channels == 1 else "RGB")
    except Exception as error:  # decoders raise anything
        raise UserError(f"it cannot be decoded ({error}): {_remedy(error)}.") from None
    return center_of_image(shown, size).float() / 255


def _resized(pixels: Tensor, size: int) -> Tensor:
    return center_of_tensor((pixels * 255).round().to(torch.uint8), size).float() / 255


def _remedy(error: Exception) -> str:
    return "pass span=(LOW, HIGH) to embed()" if "--range" in str(error) else "pass another"


def _opened(path: object, decoding: Decoding) -> Decoded:
    if not isinstance(path, str | Path):
        raise UserError(f"it is of the type {type(path).__name__}: pass a path, a PIL image or a tensor.")
    if not Path(path).is_file():
        raise UserError(f"there is no file {path}: check the path.")
    try:
        with strict_decoding():
            raw = read_raw(Path(path))
            image = finished(raw, decoding)
    except Exception as error:  # decoders raise anything
        raise UserError(f"{path} cannot be read ({error}): {_remedy(error)}.") from None
    if raw.frames > 1:
        raise UserError(
            f"{path} holds {raw.frames:,} images: pass each as a PIL image or a tensor, or write the embeddings of the "
            "file by fullrank.embed, with pages='first' or 'all'."
        )
    return image
