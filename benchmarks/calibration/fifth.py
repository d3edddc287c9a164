"""Sources of a fifth round, of data that no rule had seen: all of it is held out, and it is judged once.

Stamps for children, abstract wallpapers, short trainings of FullRank and small networks on them, a dictionary of
computing as texts, as a table and as a graph, and music.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from functools import cache, partial
from itertools import product
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy.io import wavfile
from scipy.sparse import csr_matrix
from torch import Tensor

from benchmarks.sets.packages import debian
from fullrank.data import load_dataset, plain_batches

from .fourth import bands, image_sources, small
from .source import Made, Source, seed_of
from .tables import connected, walks
from .text import in_order, minilm, word_vectors
from .third import ROWS, als_of_words, small_network, text_svd

RECIPES = {
    "stamps": {"simclr": "contrastive", "intl": "non-contrastive", "directclr": "contrastive"},
    "wallpapers": {"moco": "contrastive", "barlow_twins": "non-contrastive", "byol": "non-contrastive"},
}


def stamps(root: Path) -> Path:
    """A folder KIND/*.png of Tux Paint's stamps, on white, at most 64 px wide and high."""
    folder = root / "stamps"
    if folder.is_dir():
        return folder
    parts = folder.with_name("stamps.part")
    drawn = next(debian(root, "tuxpaint-stamps-default").rglob("tuxpaint/stamps"))
    for file in sorted(drawn.rglob("*.png")):
        whole = Image.open(file).convert("RGBA")
        whole.thumbnail((64, 64))
        image = Image.new("RGBA", (64, 64), "white")
        image.alpha_composite(whole, ((64 - whole.width) // 2, (64 - whole.height) // 2))
        out = parts / file.relative_to(drawn).parts[0] / ("-".join(file.relative_to(drawn).parts[1:]))
        out.parent.mkdir(parents=True, exist_ok=True)
        image.convert("RGB").save(out)
    parts.rename(folder)
    return folder


def wallpapers(root: Path) -> Path:
    """A folder PICTURE/*.png of pieces of 64 px of GNOME's wallpapers at a height of 768 px."""
    folder = root / "wallpapers"
    if folder.is_dir():
        return folder
    parts = folder.with_name("wallpapers.part")
    for file in sorted(debian(root, "gnome-backgrounds").rglob("*.webp")):
        whole = Image.open(file).convert("RGB")
        image = whole.resize((round(whole.width * 768 / whole.height), 768), Image.Resampling.BICUBIC)
        for top, left in product(range(0, 768, 64), range(0, image.width - 63, 64)):
            out = parts / file.stem / f"{top:04d}-{left:04d}.png"
            out.parent.mkdir(parents=True, exist_ok=True)
            image.crop((left, top, left + 64, top + 64)).save(out)
    parts.rename(folder)
    return folder


FOLDERS = {"stamps": stamps, "wallpapers": wallpapers}


@cache
def _images(root: Path, of: str) -> tuple[Tensor, Tensor]:
    """At most 800 images (N, 3, 64, 64) in [0, 1] and their classes, in an order of their own."""
    rows = load_dataset(str(FOLDERS[of](root))).train
    assert rows.labels is not None
    images = torch.cat(list(plain_batches(rows, size=64)))
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed_of("fifth", of)))[:ROWS]
    return images[order].float() / 255, rows.labels[order]


def _network(root: Path, *, task: str) -> Made:
    rows, labels = small(root, partial(_images, of="wallpapers"))
    assert labels is not None
    return small_network(rows, labels, task=task, seed=seed_of("fifth", task) % 2**31), labels


@cache
def _entries(root: Path) -> dict[str, str]:
    """The definitions of FOLDOC, with their cross-references in braces, by what they define."""
    file = next(debian(root, "dict-foldoc").rglob("foldoc.dict.dz"))
    text = gzip.decompress(file.read_bytes()).decode("utf-8", errors="replace")
    found: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        if line and not line.startswith(" "):
            name = line.strip().lower()
        elif name:
            found.setdefault(name, []).append(line.strip())
    return {name: " ".join(" ".join(lines).split()) for name, lines in found.items()}


def _texts(root: Path, count: int) -> list[str]:
    """The first sentence of definitions, of five words or more."""
    plain = (re.sub(r"<[^>]*>|\\{|\\}|[{}]", "", text).strip() for text in _entries(root).values())
    first = {text.split(". ")[0] for text in plain}
    return in_order({text for text in first if len(text.split()) >= 5}, count)


def _sentences(root: Path, *, pooled: bool) -> Made:
    return minilm(root, _texts(root, ROWS), layer=None, trained=True, pooled=pooled), None


def _svd(root: Path, *, of: str) -> Made:
    names = in_order({name for name in _entries(root) if len(name) > 5}, 4000)
    return text_svd(names if of == "names" else _texts(root, 4000), of=of), None


def _words(root: Path) -> Made:
    return word_vectors(_texts(root, 20_000), 64), None


@cache
def _factors(root: Path) -> tuple[Tensor, Tensor]:
    """Definitions as users and their words as items."""
    return als_of_words(_texts(root, 6000), seed="fifth")


def _recommender(root: Path, *, items: bool) -> Made:
    return _factors(root)[int(items)], None


def _references(root: Path) -> Made:
    """Walks on the entries that five or more others refer to, and that refer to one another."""
    entries = _entries(root)
    refers = {name: {to.lower() for to in re.findall(r"{([^{}()]+)}", text)} for name, text in entries.items()}
    often: dict[str, int] = {}
    for targets in refers.values():
        for to in targets & entries.keys():
            often[to] = often.get(to, 0) + 1
    kept = {name: at for at, name in enumerate(sorted(name for name, count in often.items() if count >= 5))}
    pairs = [(at, kept[to]) for name, at in kept.items() for to in refers[name] if to in kept and to != name]
    ends = np.array(pairs + [(to, at) for at, to in pairs]).T
    adjacency = csr_matrix((np.ones(ends.shape[1]), (ends[0], ends[1])), shape=(len(kept), len(kept)))
    z = walks(connected(adjacency), 32)
    order = np.random.default_rng(seed_of("references")).permutation(len(z))[:ROWS]
    return torch.from_numpy(z[order].copy()).float(), None


def _music(root: Path) -> Made:
    """Mean and deviation over two seconds of logarithms of 64 bands of music, standardized; the class is the piece."""
    rows, pieces = [], []
    for piece, file in enumerate(sorted(debian(root, "asterisk-moh-opsound-wav").rglob("*.wav"))):
        rate, sound = wavfile.read(file)
        mono = torch.from_numpy(np.atleast_2d(sound.T).mean(0) / np.iinfo(sound.dtype).max).float()
        for part in mono.split(2 * rate)[:-1]:
            rows.append(bands(part, 512))
            pieces.append(piece)
    z, labels = torch.stack(rows), torch.tensor(pieces)
    order = torch.randperm(len(z), generator=torch.Generator().manual_seed(seed_of("music")))[:ROWS]
    return ((z - z.mean(0)) / z.std(0))[order], labels[order]


def sources() -> Iterator[Source]:
    """All of them: nothing of these data, and no training of these kinds on them, was looked at before."""
    for of, folder in FOLDERS.items():
        yield from image_sources(of, partial(_images, of=of), folder, RECIPES[of], 5)
    for task, profile in (("classifier", "supervised"), ("autoencoder", "generic"), ("triplets", "contrastive")):
        yield Source(f"wallpapers, {task}", task, profile, "healthy", partial(_network, task=task), 5)
    for pooled, what in ((True, "sentences"), (False, "tokens")):
        yield Source(f"definitions, MiniLM {what}", "text", "text", "healthy", partial(_sentences, pooled=pooled), 5)
    for of, name in (("TF-IDF", "TF-IDF and SVD"), ("counts", "LSA of counts"), ("names", "names, TF-IDF and SVD")):
        yield Source(f"definitions, {name}", "text", "text", "healthy", partial(_svd, of=of), 5)
    yield Source("definitions, word vectors", "text", "text", "healthy", _words, 5)
    for items, what in ((False, "definitions"), (True, "words")):
        name = f"definitions, ALS {what}"
        yield Source(name, "recommender", "recsys", "healthy", partial(_recommender, items=items), 5)
    yield Source("references, walks", "graphs", "generic", "healthy", _references, 5)
    yield Source("music, bands", "sound", "generic", "healthy", _music, 5)
