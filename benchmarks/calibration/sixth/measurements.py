"""Galaxies, airports, vowels, outlines of leaves and sounds of instruments."""

from __future__ import annotations

import csv
import sqlite3
import struct
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from scipy.signal import resample
from sklearn.decomposition import PCA
from torch import Tensor
from torch.nn.functional import conv1d, interpolate

from benchmarks.sets.packages import debian, wheel

from ..fourth import bands
from ..source import Made, Source, seed_of
from ..third import ROWS, small_network
from .models import contrast, waves

RATE = 22050  # samples a second, to which every instrument is brought
_QUIET = 1e-3  # of full scale, below which half a second is silence
_HUBBLE = ("E", "S0", "S", "I")
_GALAXIES = "majax, minax, bmag, jmag, hmag, kmag, sbrightn, redshift"


def _drawn(rows: Tensor, labels: Tensor | None, of: str) -> Made:
    """At most 800 rows in an order of their own; of rows with the same content the first."""
    _, first = np.unique(rows.numpy(), axis=0, return_index=True)
    kept = torch.from_numpy(first)
    order = kept[torch.randperm(len(kept), generator=torch.Generator().manual_seed(seed_of("sixth", of)))[:ROWS]]
    return rows[order], None if labels is None else labels[order]


def _galaxies(root: Path) -> tuple[Tensor, Tensor]:
    """Sizes, magnitudes, brightness and redshift in OpenNGC, standardized, and the class that begins Hubble's."""
    asked = f"SELECT hubble, {_GALAXIES} FROM objects WHERE type = 'G'"
    opened = sqlite3.connect(next(wheel(root, "pyongc").rglob("*.db")))
    found = [
        row
        for row in opened.execute(asked).fetchall()
        if None not in row and row[0].startswith(_HUBBLE) and row[1] * row[2] > 0
    ]
    opened.close()
    rows = torch.tensor([row[1:] for row in found], dtype=torch.float64)
    rows[:, :2] = rows[:, :2].log()
    labels = torch.tensor([next(at for at, kind in enumerate(_HUBBLE) if row[0].startswith(kind)) for row in found])
    z, kept = _drawn(((rows - rows.mean(0)) / rows.std(0)).float(), labels, "galaxies")
    assert kept is not None
    return z, kept


def _galaxy_waves(root: Path) -> Made:
    rows, labels = _galaxies(root)
    return waves(rows, seed="galaxies", frequency=0.5), labels


def _galaxy_classifier(root: Path) -> Made:
    rows, labels = _galaxies(root)
    return small_network(rows, labels, task="classifier", seed=seed_of("sixth", "galaxies") % 2**31), labels


def _airports(root: Path) -> Made:
    """Random Fourier features of places on a sphere of airports with a code of IATA, each tenth of a degree once."""
    with next(wheel(root, "airportsdata").rglob("airports.csv")).open(encoding="utf-8", newline="") as opened:
        lines = [line for line in csv.DictReader(opened) if line["iata"]]
    degrees = sorted({(round(float(line["lat"]), 1), round(float(line["lon"]), 1)) for line in lines})
    north, east = torch.tensor(degrees).deg2rad().T
    places = torch.stack([north.cos() * east.cos(), north.cos() * east.sin(), north.sin()], dim=1)
    return waves(_drawn(places, None, "airports")[0], seed="airports", frequency=4.0), None


@cache
def series(root: Path, of: str) -> tuple[Tensor, Tensor]:
    """Series (N, C, 16) or (N, 1, T) out of sktime's copies of the UCR archive, and their classes."""
    lines = []
    for part in ("TRAIN", "TEST"):
        text = next(wheel(root, "sktime").rglob(f"{of}_{part}.ts")).read_text(encoding="utf-8")
        lines += [line for line in text.lower().partition("@data")[2].split("\n") if line.strip()]
    rows, labels = [], []
    for line in lines:
        *channels, label = line.split(":")
        values = torch.tensor([[float(value) for value in channel.split(",")] for channel in channels])
        rows.append(values if len(channels) == 1 else interpolate(values[None], size=16, mode="linear")[0])
        labels.append(int(label) - 1)
    flat, kept = _drawn(torch.stack(rows).flatten(1), torch.tensor(labels), of)
    assert kept is not None
    return flat.unflatten(1, rows[0].shape), kept


def _pca(root: Path, *, of: str) -> Made:
    rows, labels = series(root, of)
    return torch.from_numpy(PCA(40, random_state=0).fit_transform(rows.flatten(1).numpy())).float(), labels


def _speakers(root: Path, *, task: str) -> Made:
    """Features of a small network that learns who speaks, or which two views are of one vowel."""
    rows, labels = series(root, "JapaneseVowels")
    if task == "contrast":
        return contrast(rows.flatten(1), seed="vowels"), labels
    return small_network(rows.flatten(1), labels, task=task, seed=seed_of("sixth", "vowels") % 2**31), labels


def _kernels(root: Path) -> Made:
    """The maximum and the part above zero of 200 random convolutions each (ROCKET, Dempster et al. 2020)."""
    random = torch.Generator().manual_seed(seed_of("sixth", "kernels"))
    rows, labels = series(root, "OSULeaf")
    found = []
    for at in range(200):
        kernel = torch.randn(1, 1, (7, 9, 11)[at % 3], generator=random)
        bias, far = 2 * torch.rand(1, generator=random) - 1, 2 ** int(torch.randint(6, (), generator=random))
        heard = conv1d(rows, kernel - kernel.mean(), bias, dilation=far)[:, 0]
        found += [heard.amax(1), (heard > 0).float().mean(1)]
    z = torch.stack(found, dim=1)
    return (z - z.mean(0)) / z.std(0).clamp_min(1e-6), labels


def _samples(file: Path) -> Iterator[Tensor]:
    """The recordings of a patch of Gravis' Ultrasound in [-1, 1], of 22,050 samples a second."""
    data, at = file.read_bytes(), 239
    for _ in range(data[198]):
        size, rate, mode = (
            *struct.unpack_from("<I", data, at + 8),
            *struct.unpack_from("<H", data, at + 20),
            data[at + 55],
        )
        sound = np.frombuffer(data[at + 96 : at + 96 + size // 2 * 2], dtype="<u2" if mode & 2 else "<i2").astype(float)
        sound = sound / 32768 - (1 if mode & 2 else 0)
        yield torch.from_numpy(resample(sound, round(len(sound) * RATE / rate))).float()
        at += 96 + size


def _instruments(root: Path) -> Made:
    """Bands of each half second that is not silent of instruments with a pitch; the class is General MIDI's family."""
    rows, families = [], []
    for file in sorted(debian(root, "freepats").rglob("Tone_000/*.pat")):
        for sound in _samples(file):
            for part in sound.split(RATE // 2):
                if len(part) == RATE // 2 and part.abs().max() >= _QUIET:
                    rows.append(bands(part, 512))
                    families.append(int(file.name[:3]) // 8)
    z, labels = _drawn(torch.stack(rows), torch.tensor(families), "instruments")
    return (z - z.mean(0)) / z.std(0), labels


def sources() -> Iterator[Source]:
    """Kernels of a chance that nothing was learned for are an untrained network: open."""
    yield Source("galaxies, random Fourier features", "tables", "generic", "healthy", _galaxy_waves)
    yield Source("galaxies, classifier", "classifier", "supervised", "healthy", _galaxy_classifier)
    yield Source("airports, random Fourier features", "tables", "generic", "healthy", _airports)
    for of, name in (("JapaneseVowels", "vowels"), ("OSULeaf", "outlines of leaves")):
        yield Source(f"{name}, PCA", "series", "generic", "healthy", partial(_pca, of=of))
    for task, profile in (("classifier", "supervised"), ("contrast", "contrastive")):
        yield Source(f"vowels, {task}", "series", profile, "healthy", partial(_speakers, task=task))
    yield Source("outlines of leaves, random kernels", "untrained", "generic", "open", _kernels)
    yield Source("instruments, bands", "sound", "generic", "healthy", _instruments)
