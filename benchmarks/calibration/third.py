"""Sources of a third round, of data that no rule had seen: all of it is held out, and it is judged once.

Photographs in patches, emoji, short trainings of FullRank on the patches, small networks on their pixels; and the
documentation of the libraries that FullRank needs: sentences, words, names, and which function speaks of what.
"""

from __future__ import annotations

import ast
import sysconfig
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from scipy.sparse import csr_matrix
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate, mse_loss, normalize, triplet_margin_loss

from benchmarks.sets.emoji import emoji
from benchmarks.sets.patches import patches
from fullrank.cli import main as command
from fullrank.data import load_dataset, plain_batches
from fullrank.nn import SavedEncoder, load_encoder

from .images import gradients, imagenet
from .models import batches, mlp
from .source import Made, Source, seed_of
from .tables import als
from .text import in_order, minilm, word_vectors

ROWS, STEPS = 800, 300
LIBRARIES = ("torch", "sklearn", "scipy", "numpy", "torchvision", "timm", "lightning", "matplotlib", "pandas", "PIL")
RECIPES = {
    "simclr": "contrastive",
    "vicreg": "non-contrastive",
    "intl": "non-contrastive",
    "corinfomax": "non-contrastive",
    "directclr": "contrastive",
}


@cache
def _images(root: Path, of: str) -> tuple[Tensor, Tensor]:
    """Images (N, 3, 64, 64) in [0, 1] and their classes, in an order of their own; of the patches those of the test."""
    folder = patches(root) / "test" if of == "patches" else emoji(root) / "google"
    rows = load_dataset(str(folder)).train
    assert rows.labels is not None
    images = torch.cat(list(plain_batches(rows, size=64)))
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed_of(of)))[:ROWS]
    return images[order].float() / 255, rows.labels[order]


def _small(root: Path, of: str) -> tuple[Tensor, Tensor]:
    images, labels = _images(root, of)
    return interpolate(images, size=16, mode="area").flatten(1), labels


def _pca(root: Path, *, of: str, whiten: bool) -> Made:
    rows, labels = _small(root, of)
    return torch.from_numpy(PCA(40, whiten=whiten, random_state=0).fit_transform(rows.numpy())).float(), labels


def _hog(root: Path, *, of: str) -> Made:
    images, labels = _images(root, of)
    return gradients(images.mean(1)), labels


def _imagenet(root: Path, *, of: str) -> Made:
    images, labels = _images(root, of)
    return imagenet(root, interpolate(images, size=96, mode="bilinear") * 2 - 1), labels


def small_network(rows: Tensor, labels: Tensor, *, task: str, seed: int) -> Tensor:
    """Features (N, 64 or 32) of rows (N, D) by a small network that learned on half of them."""
    torch.manual_seed(seed)
    half, classes = len(rows) // 2, int(labels.max()) + 1
    features = mlp(rows.shape[1], 128, 64 if task == "classifier" else 32)
    head = nn.Linear(64, classes) if task == "classifier" else mlp(32, 128, rows.shape[1])
    optimizer = torch.optim.Adam([*features.parameters(), *head.parameters()], lr=2e-3)
    same = [torch.where(labels[:half] == label)[0] for label in range(classes)]
    for batch in batches(half, 600):
        z = features(rows[batch])
        if task == "classifier":
            loss = cross_entropy(head(z.relu()), labels[batch])
        elif task == "autoencoder":
            loss = mse_loss(head(z), rows[batch])
        else:
            partners = torch.stack([same[label][torch.randint(len(same[label]), ())] for label in labels[batch]])
            others = torch.randint(half, (len(batch),))
            positive, negative = (normalize(features(rows[index]), dim=1) for index in (partners, others))
            loss = triplet_margin_loss(normalize(z, dim=1), positive, negative, margin=0.3)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.inference_mode():
        found: Tensor = features(rows)
    return found


def _network(root: Path, *, task: str) -> Made:
    rows, labels = _small(root, "patches")
    return small_network(rows, labels, task=task, seed=seed_of("third", task) % 2**31), labels


def trained(root: Path, data: Path, recipe: str) -> SavedEncoder:
    """The encoder of a training of 300 steps on a folder of images of 32 px, which is run where it is not there."""
    run = root / "runs" / f"{data.name}-{recipe}-{STEPS}"
    if not (run / "result.json").exists():
        flags = ["--data", str(data), "--image-size", "32", "--batch-size", "64", "--steps", str(STEPS)]
        if command(["train", recipe, *flags, "--monitor-every", str(STEPS), "--out", str(run)]) != 0:
            raise RuntimeError(f"{recipe} did not train: see {run}")
    return load_encoder(run / "encoder.safetensors")


def _backbone(root: Path, *, recipe: str) -> Made:
    images, labels = _images(root, "patches")
    encoder = trained(root, patches(root), recipe)
    with torch.inference_mode():
        return torch.cat([encoder(part) for part in interpolate(images, size=32, mode="area").split(100)]), labels


@cache
def _documented() -> dict[str, str]:
    """First paragraphs of docstrings in the libraries, of five words or more, with the name of what they are of."""
    found: dict[str, str] = {}
    for library in LIBRARIES:
        for path in sorted((Path(sysconfig.get_path("purelib")) / library).rglob("*.py")):
            if {"test", "tests", "testing"} & set(path.parts):
                continue
            for node in ast.walk(ast.parse(path.read_bytes())):
                if isinstance(node, ast.ClassDef | ast.FunctionDef):
                    text = " ".join((ast.get_docstring(node) or "").split("\n\n")[0].split())
                    found |= {text: node.name} if len(text.split()) >= 5 else {}
    return found


def _texts(count: int) -> list[str]:
    return in_order(set(_documented()), count)


def _sentences(root: Path, *, pooled: bool) -> Made:
    return minilm(root, _texts(ROWS), layer=None, trained=True, pooled=pooled), None


def text_svd(texts: list[str], *, of: str) -> Tensor:
    """Rows (N, 64): TF-IDF of words, counts of words, or TF-IDF of the letters of names, then a truncated SVD."""
    if of == "names":
        table = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), min_df=3).fit_transform(texts)
    elif of == "TF-IDF":
        table = TfidfVectorizer(min_df=3, stop_words="english", sublinear_tf=True).fit_transform(texts)
    else:
        table = CountVectorizer(min_df=3).fit_transform(texts)
    table = table[table.getnnz(axis=1) > 1][: 2 * ROWS]
    return torch.from_numpy(TruncatedSVD(64, random_state=0).fit_transform(table)[:ROWS]).float()


def _svd(root: Path, *, of: str) -> Made:
    names = {name for name in _documented().values() if len(name) > 5}
    return text_svd(in_order(names, 4000) if of == "names" else _texts(4000), of=of), None


def _words(root: Path) -> Made:
    return word_vectors(_texts(20_000), 64), None


def als_of_words(texts: list[str], *, seed: str) -> tuple[Tensor, Tensor]:
    """Texts as users and their words as items, by alternating least squares: 800 of each (N, 32), drawn by the seed."""
    counts = CountVectorizer(min_df=8, binary=True, stop_words="english", token_pattern=r"[a-z]{4,}")
    table: csr_matrix = counts.fit_transform(texts).astype(float)
    table = table[table.getnnz(axis=1) > 3]
    shuffled = np.random.default_rng(seed_of(seed)).permutation
    users, items = (torch.from_numpy(side[shuffled(len(side))[:ROWS]]).float() for side in als(table, 32))
    return users, items


@cache
def _factors() -> tuple[Tensor, Tensor]:
    """Functions as users and the words of their documentation as items."""
    return als_of_words(_texts(4000), seed="third")


def _recommender(root: Path, *, items: bool) -> Made:
    return _factors()[int(items)], None


def sources() -> Iterator[Source]:
    """All of them: nothing of these data, and no training of these kinds on them, was looked at before."""
    for of in ("patches", "emoji"):
        yield Source(f"{of}, ImageNet encoder", "images", "supervised", "healthy", partial(_imagenet, of=of), 3)
        yield Source(f"{of}, PCA", "images", "generic", "healthy", partial(_pca, of=of, whiten=False), 3)
        yield Source(f"{of}, white PCA", "images", "generic", "healthy", partial(_pca, of=of, whiten=True), 3)
        yield Source(f"{of}, HOG", "images", "generic", "healthy", partial(_hog, of=of), 3)
    for task, profile in (("classifier", "supervised"), ("autoencoder", "generic"), ("triplets", "contrastive")):
        yield Source(f"patches, {task}", task, profile, "healthy", partial(_network, task=task), 3)
    for recipe, profile in RECIPES.items():
        name = f"backbone of {recipe}, {STEPS} steps, patches"
        yield Source(name, "runs", profile, "healthy", partial(_backbone, recipe=recipe), 3)
    for pooled, what in ((True, "sentences"), (False, "tokens")):
        name = f"library documentation, MiniLM {what}"
        yield Source(name, "text", "text", "healthy", partial(_sentences, pooled=pooled), 3)
    for of, what in (("TF-IDF", "TF-IDF and SVD"), ("counts", "LSA of counts"), ("names", "names, TF-IDF and SVD")):
        yield Source(f"library documentation, {what}", "text", "text", "healthy", partial(_svd, of=of), 3)
    yield Source("library documentation, word vectors", "text", "text", "healthy", _words, 3)
    for items, what in ((False, "functions"), (True, "words")):
        name = f"library documentation, ALS {what}"
        yield Source(name, "recommender", "recsys", "healthy", partial(_recommender, items=items), 3)
