"""Sources of a fourth round, of data that no rule had seen: all of it is held out, and it is judged once.

Icons, aerial photographs, short trainings of FullRank and small networks on them, aphorisms, a dictionary as texts, as
a graph and as a table, and drums.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy.io import wavfile
from scipy.sparse import csr_matrix
from sklearn.decomposition import PCA
from torch import Tensor
from torch.nn.functional import interpolate

from benchmarks.sets.aerial import aerial
from benchmarks.sets.packages import debian
from fullrank.data import load_dataset, plain_batches

from .images import gradients, imagenet
from .source import Made, Source, seed_of
from .tables import connected, walks
from .text import in_order, minilm, word_vectors
from .third import ROWS, STEPS, als_of_words, small_network, text_svd, trained

KINDS = ("actions", "apps", "categories", "devices", "mimetypes", "places", "status")
RECIPES = {
    "icons": {"moco": "contrastive", "barlow_twins": "non-contrastive", "byol": "non-contrastive"},
    "aerial-tiles": {"simclr": "contrastive", "vicreg": "non-contrastive", "corinfomax": "non-contrastive"},
}


def icons(root: Path) -> Path:
    """A folder train/KIND/*.png, test/KIND/*.png of Oxygen's icons of 48 px on white, each picture once."""
    folder = root / "icons"
    if folder.is_dir():
        return folder
    parts, seen = folder.with_name("icons.part"), set()
    for file in sorted(debian(root, "oxygen-icon-theme").rglob("48x48/*/*.png")):
        kind = file.parent.name
        if kind not in KINDS or file.is_symlink():
            continue
        whole = Image.open(file).convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", whole.size, "white"), whole).convert("RGB")
        if image.tobytes() not in seen:
            seen.add(image.tobytes())
            out = parts / ("test" if seed_of(file.stem) % 2 else "train") / kind / file.name
            out.parent.mkdir(parents=True, exist_ok=True)
            image.save(out)
    parts.rename(folder)
    return folder


def aerial_tiles(root: Path) -> Path:
    """A folder of pieces of 50 px of the aerial photographs, without classes."""
    folder = root / "aerial-tiles"
    if folder.is_dir():
        return folder
    parts = folder.with_name("aerial-tiles.part")
    parts.mkdir(parents=True, exist_ok=True)
    for file in sorted(aerial(root).glob("*/*.png")):
        image = Image.open(file).convert("RGB")
        for top, left in itertools.product(range(0, image.height - 49, 50), range(0, image.width - 49, 50)):
            piece = image.crop((left, top, left + 50, top + 50))
            piece.save(parts / f"{file.parent.name}-{file.stem}-{top}-{left}.png")
    parts.rename(folder)
    return folder


@cache
def _images(root: Path, of: str) -> tuple[Tensor, Tensor | None]:
    """At most 800 images (N, 3, 48, 48) in [0, 1] by an order of their own, and their classes; icons of the test."""
    folder = icons(root) / "test" if of == "icons" else aerial_tiles(root)
    rows = load_dataset(str(folder)).train
    images = torch.cat(list(plain_batches(rows, size=48)))
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed_of("fourth", of)))[:ROWS]
    return images[order].float() / 255, None if rows.labels is None else rows.labels[order]


Images = Callable[[Path], tuple[Tensor, Tensor | None]]  # (N, 3, H, W) in [0, 1] and their classes


def small(root: Path, of: Images) -> tuple[Tensor, Tensor | None]:
    """Pixels (N, 768) of the images at 16 px, and their classes."""
    images, labels = of(root)
    return interpolate(images, size=16, mode="area").flatten(1), labels


def _pca(root: Path, *, of: Images, whiten: bool) -> Made:
    rows, labels = small(root, of)
    return torch.from_numpy(PCA(40, whiten=whiten, random_state=0).fit_transform(rows.numpy())).float(), labels


def _hog(root: Path, *, of: Images) -> Made:
    images, labels = of(root)
    return gradients(images.mean(1)), labels


def _imagenet(root: Path, *, of: Images) -> Made:
    images, labels = of(root)
    return imagenet(root, interpolate(images, size=96, mode="bilinear") * 2 - 1), labels


def _backbone(root: Path, *, of: Images, folder: Callable[[Path], Path], recipe: str) -> Made:
    images, labels = of(root)
    encoder = trained(root, folder(root), recipe)
    with torch.inference_mode():
        return torch.cat([encoder(part) for part in interpolate(images, size=32, mode="area").split(100)]), labels


def image_sources(
    name: str, of: Images, folder: Callable[[Path], Path], recipes: Mapping[str, str], round: int
) -> Iterator[Source]:
    """Encoders, projections and gradients of images, and short trainings on a folder of them."""
    yield Source(f"{name}, ImageNet encoder", "images", "supervised", "healthy", partial(_imagenet, of=of), round)
    yield Source(f"{name}, PCA", "images", "generic", "healthy", partial(_pca, of=of, whiten=False), round)
    yield Source(f"{name}, white PCA", "images", "generic", "healthy", partial(_pca, of=of, whiten=True), round)
    yield Source(f"{name}, HOG", "images", "generic", "healthy", partial(_hog, of=of), round)
    for recipe, profile in recipes.items():
        make = partial(_backbone, of=of, folder=folder, recipe=recipe)
        yield Source(f"backbone of {recipe}, {STEPS} steps, {name}", "runs", profile, "healthy", make, round)


def _network(root: Path, *, task: str) -> Made:
    rows, labels = small(root, partial(_images, of="icons"))
    assert labels is not None
    return small_network(rows, labels, task=task, seed=seed_of("fourth", task) % 2**31), labels


@cache
def _aphorisms(root: Path) -> tuple[str, ...]:
    """Debian's fortunes of 5 to 60 words."""
    texts: set[str] = set()
    for file in debian(root, "fortunes").rglob("games/fortunes/*"):
        if file.is_file() and not file.suffix and file.name != "ascii-art":
            texts |= {" ".join(text.split()) for text in file.read_text("utf-8", errors="replace").split("\n%\n")}
    return tuple(text for text in texts if 5 <= len(text.split()) <= 60)


@cache
def _nouns(root: Path) -> dict[str, tuple[str, str, tuple[str, ...]]]:
    """The nouns of WordNet by number: the first word, the gloss, and the numbers of what they are a kind of."""
    found = {}
    for line in next(debian(root, "wordnet-base").rglob("data.noun")).read_text("utf-8").splitlines():
        if line.startswith(" "):
            continue
        fields, gloss = line.split(" | ", 1)[0].split(), line.split(" | ", 1)[1]
        kinds = tuple(fields[at + 1] for at, field in enumerate(fields) if field in ("@", "@i"))
        found[fields[0]] = (fields[4].lower().replace("_", " "), gloss.split(";")[0].strip(), kinds)
    return found


def _texts(root: Path, of: str, count: int) -> list[str]:
    if of == "aphorisms":
        return in_order(set(_aphorisms(root)), count)
    return in_order({gloss for _, gloss, _ in _nouns(root).values() if len(gloss.split()) >= 5}, count)


def _sentences(root: Path, *, of: str, pooled: bool) -> Made:
    return minilm(root, _texts(root, of, ROWS), layer=None, trained=True, pooled=pooled), None


def _svd(root: Path, *, of: str, what: str) -> Made:
    names = in_order({word for word, *_ in _nouns(root).values() if len(word) > 5}, 4000)
    return text_svd(names if what == "names" else _texts(root, of, 4000), of=what), None


def _words(root: Path, *, of: str) -> Made:
    return word_vectors(_texts(root, of, 20_000), 64), None


@cache
def _factors(root: Path) -> tuple[Tensor, Tensor]:
    """Glosses as users and their words as items."""
    return als_of_words(_texts(root, "glosses", 6000), seed="fourth")


def _recommender(root: Path, *, items: bool) -> Made:
    return _factors(root)[int(items)], None


def _hypernyms(root: Path) -> Made:
    """Walks on the tree of nouns that eight or more others are a kind of."""
    nouns = _nouns(root)
    below: dict[str, int] = {}
    for _, _, kinds in nouns.values():
        for kind in kinds:
            below[kind] = below.get(kind, 0) + 1
    kept = {number: at for at, number in enumerate(sorted(number for number, count in below.items() if count >= 8))}
    pairs = [(at, kept[kind]) for number, at in kept.items() for kind in nouns[number][2] if kind in kept]
    ends = np.array(pairs + [(to, at) for at, to in pairs]).T
    adjacency = csr_matrix((np.ones(ends.shape[1]), (ends[0], ends[1])), shape=(len(kept), len(kept)))
    z = walks(connected(adjacency), 32)
    order = np.random.default_rng(seed_of("hypernyms")).permutation(len(z))[:ROWS]
    return torch.from_numpy(z[order].copy()).float(), None


def bands(sound: Tensor, window: int) -> Tensor:
    """Mean and deviation (128,) over time of logarithms of 64 bands of a sound (T,)."""
    power = (
        torch.stft(sound, window, window // 2, window, torch.hann_window(window), return_complex=True).abs().square()
    )
    found = interpolate((power + 1e-8).log().T[None], size=64, mode="area")[0]
    return torch.cat([found.mean(0), found.std(0)])


def _drums(root: Path) -> Made:
    """Mean and deviation over a second of logarithms of 64 bands of drums, standardized; the class is the kit."""
    rows, kits = [], []
    for file in sorted(debian(root, "hydrogen-drumkits").rglob("*.wav")):
        rate, sound = wavfile.read(file)
        mono = torch.from_numpy(np.atleast_2d(sound.T).mean(0) / np.iinfo(sound.dtype).max).float()[:rate]
        mono = torch.nn.functional.pad(mono, (0, rate - len(mono)))
        rows.append(bands(mono, 1024))
        kits.append(file.parent.name)
    z, names = torch.stack(rows), sorted(set(kits))
    return (z - z.mean(0)) / z.std(0), torch.tensor([names.index(kit) for kit in kits])


def _of_images() -> Iterator[Source]:
    for of, folder in (("icons", icons), ("aerial-tiles", aerial_tiles)):
        yield from image_sources(of, partial(_images, of=of), folder, RECIPES[of], 4)
    for task, profile in (("classifier", "supervised"), ("autoencoder", "generic"), ("triplets", "contrastive")):
        yield Source(f"icons, {task}", task, profile, "healthy", partial(_network, task=task), 4)


def sources() -> Iterator[Source]:
    """All of them: nothing of these data, and no training of these kinds on them, was looked at before."""
    yield from _of_images()
    for of in ("aphorisms", "glosses"):
        for pooled, what in ((True, "sentences"), (False, "tokens")):
            make = partial(_sentences, of=of, pooled=pooled)
            yield Source(f"{of}, MiniLM {what}", "text", "text", "healthy", make, 4)
        for what, name in (("TF-IDF", "TF-IDF and SVD"), ("counts", "LSA of counts")):
            yield Source(f"{of}, {name}", "text", "text", "healthy", partial(_svd, of=of, what=what), 4)
        yield Source(f"{of}, word vectors", "text", "text", "healthy", partial(_words, of=of), 4)
    named = partial(_svd, of="glosses", what="names")
    yield Source("nouns, names, TF-IDF and SVD", "text", "text", "healthy", named, 4)
    for items, what in ((False, "glosses"), (True, "words")):
        yield Source(f"glosses, ALS {what}", "recommender", "recsys", "healthy", partial(_recommender, items=items), 4)
    yield Source("hypernyms, walks", "graphs", "generic", "healthy", _hypernyms, 4)
    yield Source("drums, bands", "sound", "generic", "healthy", _drums, 4)
