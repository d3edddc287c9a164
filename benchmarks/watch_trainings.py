"""Small trainings of six domains, each of which can be broken on purpose from a step on.

A training yields its loss at a step, the embeddings that a loop would hand to a monitor, and its quality: kNN accuracy
of labels on held-out samples, or the recall of a recommender. The fault None is a healthy training.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss, normalize, softplus

from fullrank.evaluation.frozen.knn import knn_accuracy
from fullrank.losses import barlow_twins, byol, infonce, nt_xent, simsiam, vicreg

Layers = dict[str, tuple[Tensor, ...]]  # name -> embeddings (N, D) of one view or two
BATCH = 128


@dataclass(frozen=True)
class Model:
    """What a training consists of: its parts, the loss and layers of a step under a fault, and its quality now."""

    parts: nn.Module
    step: Callable[[int, str | None], tuple[Tensor, Layers]]
    quality: Callable[[], float]
    after: Callable[[], None] = lambda: None  # after the optimizer's step


def mlp(*widths: int, last: bool = False) -> nn.Sequential:
    """Linear layers with batch norm and ReLU between them, and after the last one where `last`."""
    parts: list[nn.Module] = []
    for number, (a, b) in enumerate(pairwise(widths)):
        parts.append(nn.Linear(a, b))
        if number < len(widths) - 2 or last:
            parts += [nn.BatchNorm1d(b), nn.ReLU()]
    return nn.Sequential(*parts)


def shuffled(first: Tensor, second: Tensor, fault: str | None) -> tuple[Tensor, Tensor]:
    """The pair, its second part in another order under the fault "pairs"."""
    return first, second.roll(7, 0) if fault == "pairs" else second


def digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Images (N, 64) from 0 to 1 and labels: 1,300 to train on and the rest to test."""
    data = load_digits()
    order = torch.randperm(len(data.target), generator=torch.Generator().manual_seed(0))
    x, y = torch.tensor(data.data[order] / 16, dtype=torch.float32), torch.tensor(data.target[order])
    return x[:1300], y[:1300], x[1300:], y[1300:]


def augmented(x: Tensor) -> Tensor:
    """Images shifted by up to one pixel, with another contrast, noise and missing pixels."""
    shifted = x.unflatten(1, (8, 8))[:, (torch.arange(-1, 9) % 8)][:, :, torch.arange(-1, 9) % 8]  # (N, 10, 10)
    windows = shifted.unfold(1, 8, 1).unfold(2, 8, 1).reshape(len(x), 9, 64)
    images = windows[torch.arange(len(x)), torch.randint(9, (len(x),))] * torch.empty(len(x), 1).uniform_(0.6, 1.4)
    seen: Tensor = (images + 0.15 * torch.randn_like(images)) * (torch.rand_like(images) > 0.15)
    return seen


def two_branches(method: str, width: int = 64) -> Model:
    """SimSiam, BYOL, VICReg, Barlow Twins or SimCLR on digits."""
    x, y, test, labels = digits()
    encoder, projector, predictor = mlp(64, 128, 64, last=True), mlp(64, 128, width), mlp(width, 32, width)
    teacher = nn.Sequential(mlp(64, 128, 64, last=True), mlp(64, 128, width))
    teacher.load_state_dict(nn.Sequential(encoder, projector).state_dict())

    def step(number: int, fault: str | None) -> tuple[Tensor, Layers]:
        images = x[torch.randint(len(x), (BATCH,))]
        first, second = shuffled(augmented(images), augmented(images), fault)
        features = encoder(torch.cat([first, second]))
        z = projector(features).unflatten(0, (2, -1))
        match method:
            case "simclr":
                loss = nt_xent(z, temperature=0.2)["loss"]
                if fault == "negatives":
                    loss = -(normalize(z[0], dim=1) * normalize(z[1], dim=1)).sum(1).mean()
            case "vicreg":
                loss = vicreg(z)["loss"]
            case "barlow":
                loss = barlow_twins(z)["loss"]
                if fault == "variance":
                    loss = (z[0] - z[1]).square().sum(1).mean()
            case "simsiam":
                p = z if fault == "predictor" else predictor(z.flatten(0, 1)).unflatten(0, (2, -1))
                loss = simsiam(p, z.detach())["loss"]
            case _:
                p = z if fault == "predictor" else predictor(z.flatten(0, 1)).unflatten(0, (2, -1))
                target = teacher(torch.cat([first, second])).unflatten(0, (2, -1)).detach()
                loss = byol(p, target)["loss"]
        return loss, {"backbone": tuple(features.unflatten(0, (2, -1))), "embedding": tuple(z)}

    def follow() -> None:
        with torch.no_grad():
            for old, new in zip(teacher.parameters(), [*encoder.parameters(), *projector.parameters()], strict=True):
                old.lerp_(new, 0.02)

    parts = nn.ModuleList([encoder, projector, predictor])
    return Model(parts, step, lambda: knn(encoder, x, y, test, labels), follow)


def knn(encoder: nn.Module, x: Tensor, y: Tensor, test: Tensor, labels: Tensor) -> float:
    """Accuracy on the test samples by the training samples, in eval mode."""
    encoder.eval()
    with torch.no_grad():
        bank, queries = encoder(x), encoder(test)
    encoder.train()
    if not (torch.isfinite(bank).all() and torch.isfinite(queries).all()):
        return float(torch.bincount(labels).max()) / len(labels)
    return knn_accuracy(bank, y, queries, labels)


def texts(topics: int = 20, words: int = 300, width: int = 64) -> Model:
    """Two halves of a document as bags of words, told from the halves of others (InfoNCE)."""
    generator = torch.Generator().manual_seed(0)
    table = torch.distributions.Dirichlet(torch.full((words,), 0.05))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        topic_words = table.sample((topics,))
    y = torch.randint(topics, (1600,), generator=generator)
    shares = 0.55 * torch.eye(topics)[y] + 0.45 * torch.softmax(torch.randn(1600, topics, generator=generator), 1)
    chances = shares @ topic_words
    encoder, head = mlp(words, 128, width, last=True), mlp(width, width)

    def half(rows: Tensor) -> Tensor:
        drawn = torch.multinomial(chances[rows], 25, True)
        return torch.zeros(len(rows), words).scatter_add_(1, drawn, torch.ones(drawn.shape)).log1p()

    with torch.random.fork_rng():
        torch.manual_seed(0)
        first = half(torch.arange(1600))

    def step(number: int, fault: str | None) -> tuple[Tensor, Layers]:
        rows = torch.randint(1200, (BATCH,))
        features = encoder(torch.cat(shuffled(half(rows), half(rows), fault)))
        z = head(features).unflatten(0, (2, -1))
        loss = (z[0] - z[1]).square().sum(1).mean() if fault == "negatives" else infonce(z)["loss"]
        return loss, {"backbone": tuple(features.unflatten(0, (2, -1))), "embedding": tuple(z)}

    return Model(
        nn.ModuleList([encoder, head]), step, lambda: knn(encoder, first[:1200], y[:1200], first[1200:], y[1200:])
    )


def metric(method: str) -> Model:
    """Softmax, ArcFace, SupCon or triplets of digits; under "pairs" the labels are those of other images."""
    x, y, test, labels = digits()
    encoder, centers = mlp(64, 128, 64, 32), nn.Parameter(torch.randn(10, 32) / 6)
    parts = nn.ModuleList([encoder, nn.ParameterList([centers])])

    def step(number: int, fault: str | None) -> tuple[Tensor, Layers]:
        rows = torch.randint(len(x), (BATCH,))
        given, z = y[rows], encoder(augmented(x[rows]))
        given = given[torch.randperm(BATCH)] if fault == "pairs" else given
        same = given[:, None] == given
        u = normalize(z, dim=1)
        cosine = u @ u.T
        match method:
            case "softmax":
                loss = cross_entropy(z @ centers.T, given)
            case "arcface":
                toward = (u @ normalize(centers, dim=1).T).clamp(-0.999, 0.999)
                turned = (toward.arccos() + 0.3 * torch.eye(10)[given]).cos()
                loss = cross_entropy(16 * turned, given)
            case "supcon":
                logits = (cosine / 0.1).fill_diagonal_(-1e9)
                loss = -(logits.log_softmax(1) * (same.float().fill_diagonal_(0))).sum(1).div(same.sum(1)).mean()
            case _:  # all triplets of 32 anchors within the margin
                distance, of = torch.cdist(u[:32], u), same[:32]
                gap = (distance[:, :, None] - distance[:, None] + 0.3).relu() * (of[:, :, None] & ~of[:, None])
                loss = gap.sum() / (gap > 0).sum().clamp_min(1)
        return loss, {"embedding": (z,)}

    return Model(parts, step, lambda: knn(encoder, x, y, test, labels))


def recommender(loss_name: str, items: int = 400, users: int = 500, width: int = 32) -> Model:
    """Matrix factorization of implicit feedback, pairwise (BPR) or pointwise; under "l2" its penalty is strong."""
    generator = torch.Generator().manual_seed(0)
    taste, offer = torch.randn(users, 6, generator=generator), torch.randn(items, 6, generator=generator)
    chance = (taste @ offer.T + 2 * torch.randn(users, items, generator=generator)).topk(30, 1).indices
    kept, held = chance[:, ::2], chance[:, 1::2]
    user, item = (nn.Embedding(count, width) for count in (users, items))
    for table in (user, item):
        nn.init.normal_(table.weight, std=0.1)
    parts = nn.ModuleList([user, item])

    def step(number: int, fault: str | None) -> tuple[Tensor, Layers]:
        who = torch.randint(users, (512,))
        liked = kept[who, torch.randint(kept.shape[1], (512,))]
        liked = liked[torch.randperm(512)] if fault == "pairs" else liked
        other = torch.randint(items, (512,))
        p, a, b = user(who), item(liked), item(other)
        if loss_name == "bpr":
            loss = softplus((p * (b - a)).sum(1)).mean()
        else:
            loss = ((p * a).sum(1) - 1).square().mean() + (p * b).sum(1).square().mean()
        penalty = p.square().sum(1).mean() + a.square().sum(1).mean() + b.square().sum(1).mean()
        loss = loss + (1.0 if fault == "l2" else 1e-3) * penalty
        rows = torch.randperm(items)[:256]
        return loss, {"items": (item.weight[rows],)}

    def recall() -> float:
        with torch.no_grad():
            scores = (user.weight @ item.weight.T).scatter(1, kept, -torch.inf).nan_to_num(-1e9)
        hits = (scores.topk(20, 1).indices[:, :, None] == held[:, None]).any(2)
        return float(hits.sum()) / held.numel()

    return Model(parts, step, recall)


class Convolutions(nn.Module):
    """Two layers and one hop, or more, over a graph (N, N) of features (N, 50) -> (N, width)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second, self.slope = nn.Linear(50, 64), nn.Linear(64, width), nn.PReLU()
        self.hops = 1

    def forward(self, a: Tensor, x: Tensor) -> Tensor:
        a = a + torch.eye(len(a))
        root = a.sum(1).rsqrt()
        a = root[:, None] * a * root
        h = self.slope(a @ self.first(x))
        for _ in range(self.hops):
            h = a @ h
        z: Tensor = self.second(h)
        return z


def block_model(nodes: int) -> tuple[Tensor, Tensor, Tensor]:
    """A stochastic block model: edges (N, N), features (N, 50) and blocks (N,)."""
    generator = torch.Generator().manual_seed(0)
    y = torch.randint(5, (nodes,), generator=generator)
    chance = torch.where(y[:, None] == y, 0.08, 0.016)
    edges = (torch.rand(nodes, nodes, generator=generator) < chance).triu(1).float()
    x = torch.eye(5)[y] @ torch.randn(5, 50, generator=generator) + 2.5 * torch.randn(nodes, 50, generator=generator)
    return edges + edges.T, x, y


def graph(method: str, nodes: int = 300, width: int = 32) -> Model:
    """GRACE (two views of a graph) or DGI (nodes against shuffled features) on a stochastic block model."""
    edges, x, y = block_model(nodes)
    encode, head, match_summary = Convolutions(width), mlp(width, width, width), nn.Linear(width, width, bias=False)

    def seen() -> Tensor:
        drop = (torch.rand(nodes, nodes) > 0.3).float().triu(1)
        z: Tensor = encode(edges * (drop + drop.T), x * (torch.rand(50) > 0.3))
        return z

    def step(number: int, fault: str | None) -> tuple[Tensor, Layers]:
        encode.hops = 40 if fault == "smoothing" else 1
        a, b = seen(), seen()
        if method == "grace":
            loss = nt_xent(torch.stack(shuffled(head(a), head(b), fault)), temperature=0.5)["loss"]
        else:
            fake, summary = encode(edges, x[torch.randperm(nodes)]), a.mean(0).sigmoid()
            loss = (softplus(-a @ match_summary(summary)) + softplus(fake @ match_summary(summary))).mean()
        return loss, {"embedding": (a, b)}

    def quality() -> float:
        with torch.no_grad():
            z = encode(edges, x)
        return knn_accuracy(z[:200], y[:200], z[200:], y[200:]) if bool(torch.isfinite(z).all()) else 0.2

    return Model(nn.ModuleList([encode, head, match_summary]), step, quality)


def autoencoder(latent: int = 16, hidden: int = 128) -> Model:
    """A variational autoencoder of digits; under "kl" its divergence weighs 100 times as much."""
    x, y, test, labels = digits()
    encoder, decoder = mlp(64, hidden, 2 * latent), mlp(latent, hidden, 64)

    def step(number: int, fault: str | None) -> tuple[Tensor, Layers]:
        images = x[torch.randint(len(x), (BATCH,))]
        mean, log_variance = encoder(images).chunk(2, 1)
        log_variance = log_variance.clamp(-10, 5)
        sample = mean + torch.randn_like(mean) * (log_variance / 2).exp()
        again = mean + torch.randn_like(mean) * (log_variance / 2).exp()
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()
        loss = 20 * mse_loss(decoder(sample), images, reduction="sum") / BATCH
        loss = loss + (100 if fault == "kl" else 0.5) * divergence
        return loss, {"means": (mean,), "samples": (sample, again)}

    means = nn.Sequential(encoder, Half())
    return Model(nn.ModuleList([encoder, decoder]), step, lambda: knn(means, x, y, test, labels))


class Half(nn.Module):
    """The first half of the features."""

    def forward(self, x: Tensor) -> Tensor:
        return x.chunk(2, 1)[0]
