"""Letters and digits in the fonts that matplotlib ships: pixels, gradients, an ImageNet encoder, small networks."""

from __future__ import annotations

import hashlib
import string
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path

import matplotlib
import torch
from PIL import Image, ImageDraw, ImageFont
from sklearn.decomposition import PCA
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate, mse_loss, normalize

from ..images import gradients, imagenet
from ..models import batches, mlp
from ..source import Made, Source, seed_of

LETTERS = string.ascii_letters + string.digits
FONTS = ("DejaVuSans*.ttf", "DejaVuSerif*.ttf", "STIXGeneral*.ttf", "cmr10.ttf", "cmss10.ttf", "cmtt10.ttf")
ROWS, SIDE = 800, 32


@cache
def _glyphs() -> tuple[Tensor, Tensor]:
    """Images (1, SIDE, SIDE) in [0, 1] of every letter in every font, in an order by hash, and which letter."""
    found = []
    for file in sorted(
        file for pattern in FONTS for file in Path(matplotlib.get_data_path(), "fonts/ttf").glob(pattern)
    ):
        if "Display" in file.stem:
            continue
        font = ImageFont.truetype(str(file), 24)
        for number, letter in enumerate(LETTERS):
            page = Image.new("L", (SIDE, SIDE))
            ImageDraw.Draw(page).text((SIDE // 2, SIDE // 2), letter, fill=255, font=font, anchor="mm")
            key = hashlib.sha256(f"{file.name} {letter}".encode()).digest()
            found.append((key, torch.frombuffer(bytearray(page.tobytes()), dtype=torch.uint8), number))
    found.sort(key=lambda one: one[0])
    images = torch.stack([pixels for _, pixels, _ in found]).view(-1, 1, SIDE, SIDE).float() / 255
    return images, torch.tensor([number for *_, number in found])


def _rows() -> tuple[Tensor, Tensor]:
    """All glyphs at half the size, flat."""
    images, labels = _glyphs()
    return interpolate(images, size=16, mode="area").flatten(1), labels


def _pca(root: Path, *, whiten: bool) -> Made:
    rows, labels = _rows()
    found = PCA(40, whiten=whiten, random_state=0).fit_transform(rows[:ROWS].numpy())
    return torch.from_numpy(found).float(), labels[:ROWS]


def _hog(root: Path) -> Made:
    images, labels = _glyphs()
    return gradients(images[:ROWS, 0]), labels[:ROWS]


def _encoder(root: Path) -> Made:
    images, labels = _glyphs()
    return imagenet(root, interpolate(images[:ROWS].expand(-1, 3, -1, -1), size=96) * 2 - 1), labels[:ROWS]


def _classifier(root: Path, *, steps: int) -> Made:
    """The features of glyphs that a classifier of letters was not trained on."""
    torch.manual_seed(seed_of("glyph classifier") % 2**31)
    rows, labels = _rows()
    features, head = mlp(256, 128, 64), nn.Linear(64, len(LETTERS))
    optimizer = torch.optim.Adam([*features.parameters(), *head.parameters()], lr=2e-3)
    for batch in batches(len(rows) - ROWS // 2, steps):
        optimizer.zero_grad()
        cross_entropy(head(features(rows[ROWS // 2 :][batch])), labels[ROWS // 2 :][batch]).backward()
        optimizer.step()
    with torch.inference_mode():
        return features(rows[: ROWS // 2]), labels[: ROWS // 2]


def _autoencoder(root: Path) -> Made:
    torch.manual_seed(seed_of("glyph autoencoder") % 2**31)
    rows, labels = _rows()
    encoder, decoder = mlp(256, 128, 32), mlp(32, 128, 256)
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=2e-3)
    for batch in batches(len(rows), 1500):
        optimizer.zero_grad()
        mse_loss(decoder(encoder(rows[batch])).sigmoid(), rows[batch]).backward()
        optimizer.step()
    with torch.inference_mode():
        return encoder(rows[:ROWS]), labels[:ROWS]


def _contrasted(root: Path) -> Made:
    """InfoNCE between a glyph and the same letter in another font, on half of the letters; embeddings of all."""
    torch.manual_seed(seed_of("glyph contrast") % 2**31)
    rows, labels = _rows()
    network = mlp(256, 128, 32)
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    generator = torch.Generator().manual_seed(1)
    of_letter = [torch.where(labels == number)[0] for number in range(0, len(LETTERS), 2)]
    for _ in range(400):
        pairs = torch.stack([one[torch.randint(len(one), (2,), generator=generator)] for one in of_letter])
        first, second = (normalize(network(rows[pairs[:, side]]), dim=1) for side in (0, 1))
        optimizer.zero_grad()
        cross_entropy(first @ second.T / 0.2, torch.arange(len(first))).backward()
        optimizer.step()
    with torch.inference_mode():
        return network(rows[:ROWS]), labels[:ROWS]


def sources() -> Iterator[Source]:
    """Nothing here is known to have collapsed."""
    for whiten in (False, True):
        name = f"glyphs, {'white ' if whiten else ''}PCA"
        yield Source(name, "glyphs", "generic", "healthy", partial(_pca, whiten=whiten))
    yield Source("glyphs, HOG", "glyphs", "generic", "healthy", _hog)
    yield Source("glyphs, ImageNet encoder", "glyphs", "supervised", "healthy", _encoder)
    yield Source("glyphs, autoencoder", "glyphs", "generic", "healthy", _autoencoder)
    yield Source("glyphs, contrast of fonts", "glyphs", "contrastive", "healthy", _contrasted)
    for steps in (300, 3000):
        name = f"glyphs, classifier {steps} steps"
        yield Source(name, "glyphs", "supervised", "healthy", partial(_classifier, steps=steps))
