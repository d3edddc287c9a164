"""The features of a frozen encoder, and what every evaluation asks of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized

import torch
from torch import Tensor, nn

from fullrank.data import ImageSet, plain_batches
from fullrank.engine.device import this_device
from fullrank.errors import UserError
from fullrank.nn import SavedEncoder

_ROWS = 2**16  # that are checked at a time


def features(
    encode: Callable[[Tensor], Tensor],
    batches: Iterable[Tensor],
    *,
    device: torch.device,
    progress: Callable[[float], None] | None = None,
) -> Tensor:
    """Encode batches of images one by one on `device`: float32 features (N, F) there, in order.

    Args:
        encode: Maps a batch (B, ...) to (B, F), with any normalization that the batches still need.
        batches: The images; each batch is moved to `device`.
        device: Where the features are computed and stay.
        progress: Called with the share done, in [0, 1], where the number of batches is known.

    Raises:
        UserError: A module is in training mode, a feature map is not (B, F), or there is no image.

    >>> features(lambda x: x.flatten(1), [torch.ones(2, 1, 2, 2)], device=torch.device("cpu")).shape
    torch.Size([2, 4])
    """
    if isinstance(encode, nn.Module) and encode.training:
        raise UserError("The encoder is in training mode, where batches change its features: call its eval() first.")
    rows = []
    for done, z in enumerate(encoded(encode, batches, device), start=1):
        rows.append(z)
        if progress is not None and isinstance(batches, Sized):
            progress(done / len(batches))
    if not rows:
        raise UserError("There is no image to encode: pass a data set with at least one image.")
    return torch.cat(rows)  # outside inference mode: an ordinary tensor, that may be trained on


def features_of(saved: SavedEncoder, images: ImageSet, *, batch_size: int = 512, workers: int = 0) -> Iterator[Tensor]:
    """The features (B, F) of images, float32 on the CPU, a batch at a time and in order.

    The encoder is moved to the GPU where there is one.

    >>> from fullrank.data.images import ImageTensor
    >>> from fullrank.nn import encoder
    >>> tiny = SavedEncoder(encoder("tiny", image_size=8, channels=1).eval(), (0.5,), (0.5,))
    >>> five = ImageTensor(torch.zeros(5, 1, 8, 8, dtype=torch.uint8), None, ())
    >>> [len(z) for z in features_of(tiny, five, batch_size=4)]
    [4, 1]
    """
    device = this_device()
    saved.encoder.to(device)
    batches = plain_batches(images, size=saved.encoder.image_size, batch_size=batch_size, workers=workers)
    for z in encoded(saved, batches, device):
        yield z.cpu().clone()  # outside inference mode: an ordinary tensor


def encoded(encode: Callable[[Tensor], Tensor], batches: Iterable[Tensor], device: torch.device) -> Iterator[Tensor]:
    """The features (B, F) of each batch, float32 on the device; raises UserError for an output of another shape."""
    for batch in batches:
        with torch.inference_mode():
            z = encode(batch.to(device))
        if z.ndim != 2 or len(z) != len(batch):
            raise UserError(
                f"The encoder turned a batch {tuple(batch.shape)} into {tuple(z.shape)}: "
                "pool or flatten its output to (samples, features)."
            )
        yield z.float()


def check(x: Tensor, labels: Tensor | None, name: str) -> None:
    """Raise UserError unless x is (N, F) and finite with N >= 1, and `labels`, where given, are N integers.

    >>> check(torch.zeros(2, 3), torch.tensor([0, 1, 1]), "training")
    Traceback (most recent call last):
    fullrank.errors.UserError: There are 2 training samples, but labels of shape (3,): pass one label per sample.
    """
    if x.ndim != 2:
        raise UserError(f"The {name} features have shape {tuple(x.shape)}: pass (samples, features).")
    if len(x) == 0:
        raise UserError(f"The {name} set is empty: pass at least one sample.")
    broken = sum(_broken(part) for part in x.split(_ROWS))
    if broken:
        raise UserError(
            f"{broken} of the {len(x)} {name} samples have NaN or infinite features: "
            "check that the encoder's training did not diverge, or leave these samples out."
        )
    if labels is None:
        return
    if labels.shape != (len(x),):
        raise UserError(
            f"There are {len(x)} {name} samples, but labels of shape {tuple(labels.shape)}: pass one label per sample."
        )
    if labels.is_floating_point():
        raise UserError(f"The {name} labels are {labels.dtype}: pass whole numbers, one for each class.")


def _broken(x: Tensor) -> int:
    """How many rows are not finite; where the sum of all is, none."""
    return 0 if bool(x.sum().isfinite()) else int((~torch.isfinite(x)).any(1).sum())
