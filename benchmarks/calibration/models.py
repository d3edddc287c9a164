"""Small networks that are trained here within seconds: classifiers, autoencoders, metric learning."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy, cross_entropy, normalize, triplet_margin_loss

from .source import Made, Source, seed_of

ROWS = 800


def _digits() -> tuple[Tensor, Tensor]:
    rows, labels = load_digits(return_X_y=True)
    return torch.from_numpy(rows).float() / 16, torch.from_numpy(labels)


def mlp(*sizes: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def batches(count: int, steps: int, size: int = 128) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(0)
    for _ in range(steps):
        yield torch.randint(count, (size,), generator=generator)


def _classifier(root: Path, *, steps: int, relu: bool) -> Made:
    """The features before the last layer of a network that is trained on the classes of digits."""
    torch.manual_seed(seed_of("classifier") % 2**31)
    rows, labels = _digits()
    features, head = nn.Sequential(mlp(64, 128, 64), nn.ReLU() if relu else nn.Identity()), nn.Linear(64, 10)
    optimizer = torch.optim.Adam([*features.parameters(), *head.parameters()], lr=2e-3)
    for batch in batches(1200, steps):
        optimizer.zero_grad()
        cross_entropy(head(features(rows[batch])), labels[batch]).backward()
        optimizer.step()
    with torch.inference_mode():
        return features(rows[-ROWS:]), labels[-ROWS:]


def _autoencoder(root: Path, *, beta: float | None) -> Made:
    """Codes of 32 dimensions; with beta the means of a variational one, which posterior collapse empties."""
    torch.manual_seed(seed_of("autoencoder", beta) % 2**31)
    rows, labels = _digits()
    encoder, decoder = mlp(64, 128, 64), mlp(32, 128, 64)
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=2e-3)
    for batch in batches(1200, 1500):
        optimizer.zero_grad()
        mean, log_variance = encoder(rows[batch]).chunk(2, dim=1)
        code = mean if beta is None else mean + torch.randn_like(mean) * (log_variance / 2).exp()
        loss = binary_cross_entropy(decoder(code).sigmoid(), rows[batch], reduction="sum") / len(batch)
        if beta is not None:
            loss = loss + beta / 2 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()
        loss.backward()
        optimizer.step()
    with torch.inference_mode():
        return encoder(rows[-ROWS:])[:, :32], labels[-ROWS:]


def _triplets(root: Path, *, pushed: bool) -> Made:
    """Metric learning on half of the digits' classes; without pushing apart, everything falls together."""
    torch.manual_seed(seed_of("triplets", pushed) % 2**31)
    rows, labels = _digits()
    network = mlp(64, 128, 32)
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    generator = torch.Generator().manual_seed(1)
    for batch in batches(1200, 400):
        other = torch.randint(1200, (128, 2), generator=generator)
        same = torch.stack(
            [
                torch.where(labels[:1200] == label)[0][pick % 50]
                for label, pick in zip(labels[batch], other[:, 0], strict=True)
            ]
        )
        z, positive, negative = (normalize(network(rows[index]), dim=1) for index in (batch, same, other[:, 1]))
        loss = (
            triplet_margin_loss(z, positive, negative, margin=0.3) if pushed else (z - positive).square().sum(1).mean()
        )
        if not pushed:
            loss = loss + (z - negative).square().sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.inference_mode():
        return network(rows[-ROWS:]), labels[-ROWS:]


def sources() -> Iterator[Source]:
    """What collapses by construction is ruined; a classifier's tight classes are its aim, under its profile."""
    for steps in (60, 600, 3000):
        for relu in (False, True):
            name = f"digits, classifier {steps} steps{', ReLU' if relu else ''}"
            yield Source(name, "classifier", "supervised", "healthy", partial(_classifier, steps=steps, relu=relu))
    yield Source("digits, autoencoder", "autoencoder", "generic", "healthy", partial(_autoencoder, beta=None))
    yield Source("digits, VAE, beta 0.1", "autoencoder", "generic", "open", partial(_autoencoder, beta=0.1))
    yield Source("digits, VAE, beta 8", "autoencoder", "generic", "ruined", partial(_autoencoder, beta=8.0))
    yield Source("digits, triplets", "metric learning", "contrastive", "healthy", partial(_triplets, pushed=True))
    yield Source("digits, pulled only", "metric learning", "contrastive", "ruined", partial(_triplets, pushed=False))
