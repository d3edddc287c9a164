"""Spoken phrases of a telephone exchange in three languages (Debian's asterisk-core-sounds, CC BY-SA 3.0)."""

from __future__ import annotations

import hashlib
import wave
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from scipy.fft import dct
from sklearn.decomposition import PCA
from torch import Tensor, nn
from torch.nn.functional import normalize

from benchmarks.sets.packages import debian, wheel

from ..source import Made, Source, seed_of

LANGUAGES = ("en", "fr", "ru")
ROWS, RATE, HOP, BANDS = 800, 8000, 80, 40


@cache
def _phrases(root: Path) -> list[tuple[Tensor, int]]:
    """Logarithms of mel bands (T, BANDS) of phrases of half a second or more, and their language; in order by hash."""
    found = []
    for language, code in enumerate(LANGUAGES):
        for file in debian(root, f"asterisk-core-sounds-{code}-wav").rglob("*.wav"):
            with wave.open(str(file)) as opened:
                samples = np.frombuffer(opened.readframes(opened.getnframes()), dtype=np.int16)
            if len(samples) >= RATE // 2:
                key = hashlib.sha256(f"{code} {file.stem}".encode()).digest()
                found.append((key, _mel(torch.from_numpy(samples / 32768.0).float()), language))
    return [(bands, language) for _, bands, language in sorted(found, key=lambda one: one[0])[:ROWS]]


def _mel(sound: Tensor) -> Tensor:
    """10 ms a step, windows of 25 ms, triangles on the mel scale."""
    power = torch.stft(sound, 256, HOP, 200, torch.hann_window(200), return_complex=True).abs().square()
    mel = np.linspace(0, 2595 * np.log10(1 + RATE / 2 / 700), BANDS + 2)
    edges = 700 * (10 ** (mel / 2595) - 1) / (RATE / 256)
    bins = np.arange(129)[None]
    up, down = (
        (bins - edges[:-2, None]) / np.diff(edges)[:-1, None],
        (edges[2:, None] - bins) / np.diff(edges)[1:, None],
    )
    return (torch.from_numpy(np.minimum(up, down).clip(0)).float() @ power).clamp_min(1e-8).log().T


def _statistics(root: Path, *, cepstra: bool) -> Made:
    """Mean and deviation over a phrase of its bands, or of its first 20 cepstra, each standardized."""
    rows = []
    for bands, _ in _phrases(root):
        steps = torch.from_numpy(dct(bands.numpy(), norm="ortho")[:, :20]) if cepstra else bands
        rows.append(torch.cat([steps.mean(0), steps.std(0)]))
    z = torch.stack(rows)
    return (z - z.mean(0)) / z.std(0), torch.tensor([language for _, language in _phrases(root)])


def _windows(root: Path) -> Made:
    """Principal components of a tenth of a second out of each phrase."""
    random = torch.Generator().manual_seed(seed_of("windows") % 2**31)
    starts = [(bands, int(torch.randint(len(bands) - 10, (1,), generator=random))) for bands, _ in _phrases(root)]
    rows = torch.stack([bands[start : start + 10].flatten() for bands, start in starts])
    return torch.from_numpy(PCA(48, random_state=0).fit_transform(rows.numpy())).float(), None


def _speakers(root: Path) -> Made:
    """The speaker encoder of PyPI's Resemblyzer (Apache-2.0): three LSTMs, a linear layer, a ReLU, length 1."""
    weights = torch.load(next(wheel(root, "resemblyzer").rglob("pretrained.pt")), map_location="cpu", weights_only=True)
    lstm, linear = nn.LSTM(BANDS, 256, 3, batch_first=True), nn.Linear(256, 256)
    for module, name in ((lstm, "lstm"), (linear, "linear")):
        module.load_state_dict({k.split(".", 1)[1]: v for k, v in weights["model_state"].items() if k.startswith(name)})
    with torch.inference_mode():
        hidden = torch.cat([lstm(bands.exp()[None])[1][0][-1] for bands, _ in _phrases(root)])
        return normalize(linear(hidden).relu(), dim=1), torch.tensor([language for _, language in _phrases(root)])


def sources() -> Iterator[Source]:
    """Three voices are three tight spots to an encoder of speakers, so that it is open."""
    for cepstra in (False, True):
        name = f"speech, {'cepstra' if cepstra else 'mel bands'}"
        yield Source(name, "speech", "generic", "healthy", partial(_statistics, cepstra=cepstra))
    yield Source("speech, PCA of windows", "speech", "generic", "healthy", _windows)
    yield Source("speech, speaker encoder", "speech", "contrastive", "open", _speakers)
