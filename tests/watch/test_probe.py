"""What a probe may be, and that reading it leaves the random numbers of the training alone."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from fullrank.errors import UserError
from fullrank.watch import ProbeMonitor

SAMPLES = torch.randn(300, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Images(nn.Module):
    """A backbone that takes single images, too, and tells the channels of one from samples by nothing."""

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(channels, 16, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def forward(self, x: Tensor) -> Tensor:
        z: Tensor = self.backbone(x)
        return z


class Joined(Images):
    """Two views in one pass, as of SimCSE."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(torch.cat([x, x.flip(-1)]))


class Drawing(nn.Module):
    """It draws in eval mode, as a variational autoencoder does."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        z: Tensor = self.encoder(x)
        return z + torch.randn_like(z) + random.random()


class Augmented(Dataset[Tensor]):
    """Samples that are drawn from every global generator."""

    def __len__(self) -> int:
        return 300

    def __getitem__(self, index: int) -> Tensor:
        return torch.randn(4) + random.random() + np.random.rand()  # noqa: NPY002


class Batches(IterableDataset[Tensor]):
    def __iter__(self) -> Iterator[Tensor]:
        return iter(SAMPLES.split(100))


def drawn(device: torch.device) -> list[Any]:
    numpy = np.random.rand(3).tolist()  # noqa: NPY002
    return [random.random(), numpy, torch.rand(3).tolist(), torch.rand(3, device=device).tolist()]


def probes() -> dict[str, Callable[[], Any]]:
    rows = torch.randn(300, 4)
    return {
        "tensor": lambda: rows,
        "loader": lambda: DataLoader(rows, batch_size=32),  # type: ignore[arg-type]
        "shuffled": lambda: DataLoader(rows, batch_size=32, shuffle=True),  # type: ignore[arg-type]
        "augmented": lambda: DataLoader(Augmented(), batch_size=32),
    }


@pytest.mark.parametrize("probe", probes().values(), ids=probes().keys())
def test_the_random_numbers_of_the_training_are_left_alone(probe: Callable[[], Any], device: torch.device) -> None:
    def train(looking: bool) -> list[Any]:
        random.seed(1), np.random.seed(1), torch.manual_seed(1)  # noqa: NPY002
        monitor = ProbeMonitor(["encoder"], probe(), every=1)
        model, numbers = Drawing().to(device), []
        for step in range(3):
            numbers += drawn(device)
            if looking:
                monitor.look(model, step)
        return numbers + drawn(device)

    assert train(looking=True) == train(looking=False)


def test_the_random_numbers_are_left_alone_by_a_reading_that_fails() -> None:
    def fail(model: nn.Module, batch: Tensor) -> None:
        drawn(batch.device)
        raise ValueError("broken")

    model = Drawing()
    states = random.getstate(), torch.random.get_rng_state().tolist()
    with pytest.raises(ValueError, match="broken"):
        ProbeMonitor(["encoder"], DataLoader(Augmented()), forward=fail).look(model, 0)
    assert (random.getstate(), torch.random.get_rng_state().tolist()) == states


def test_a_generator_that_two_loaders_share_is_left_alone() -> None:
    shared = torch.Generator().manual_seed(0)
    loader = DataLoader(Augmented(), batch_size=32, shuffle=True, generator=shared)
    before = shared.get_state()
    ProbeMonitor(["encoder"], loader, every=1).look(Drawing(), 0)
    assert torch.equal(shared.get_state(), before)


def test_every_reading_draws_the_same() -> None:
    """Of a resumed training too, which is at other random numbers."""
    model = Drawing()
    forwarded: list[Tensor] = []

    def forward(module: nn.Module, batch: Tensor) -> None:
        forwarded.append(module(batch))

    for _ in range(2):
        monitor = ProbeMonitor(["encoder"], DataLoader(Augmented(), batch_size=300, shuffle=True), forward=forward)
        monitor.look(model, 0)
        torch.rand(5), random.random()
    assert torch.equal(*forwarded)


@pytest.mark.parametrize(
    ("net", "probe", "says"),
    [
        (Images(), [(one, 0) for one in SAMPLES], r"'backbone' gives 16 rows for a batch of 3 samples: pass a tensor"),
        (Images(), [*SAMPLES], "not single samples"),
        (Images(), SAMPLES[0], "16 rows for a batch of 3"),
        (Images(1), [*SAMPLES[:, :1]], "16 rows for a batch of 1"),
        (Images(), [([one, one], 0) for one in SAMPLES], "16 rows for a batch of 3"),
        (Images(), [{"x": one} for one in SAMPLES], "16 rows for a batch of 3"),
    ],
    ids=["dataset", "images", "image", "gray", "views", "mapping"],
)
def test_a_layer_of_other_rows_than_samples_is_refused(net: nn.Module, probe: Any, says: str) -> None:
    """The 3 channels of an image were 3 samples, and the 16 features of one were 16 rows of 1 dimension."""
    with pytest.raises(UserError, match=says):
        ProbeMonitor(["backbone"], probe).look(net, 0)


def test_views_that_a_module_joins_are_rows() -> None:
    assert ProbeMonitor(["backbone"], SAMPLES[:40]).look(Joined(), 0)["backbone"].row["n"] == 80


@pytest.mark.parametrize(
    "probe", [TensorDataset(SAMPLES), Subset(TensorDataset(SAMPLES), [1, 2]), Augmented(), SAMPLES.numpy()]
)
def test_a_dataset_is_refused_before_the_training_begins(probe: Any) -> None:
    """Also of sequences (T, D), whose tokens would be samples that no number of rows gives away."""
    with pytest.raises(UserError, match=r"^The probe is a \w+, whose items are single samples: pass DataLoader\(probe"):
        ProbeMonitor(["backbone"], probe)


@pytest.mark.parametrize(
    "probe",
    [
        SAMPLES,
        SAMPLES.split(100),
        [(part, 0) for part in SAMPLES.split(70)],
        [[[part, -part], 0] for part in SAMPLES.split(100)],
        {"x": SAMPLES},
        [{"x": SAMPLES[:200]}, {"x": SAMPLES[200:]}],
        Batches(),
        DataLoader(TensorDataset(SAMPLES), batch_size=64),
        DataLoader(Batches(), batch_size=None),
    ],
    ids=["tensor", "batches", "labels", "views", "mapping", "mappings", "iterable", "loader", "loader of batches"],
)
def test_batches_of_samples_are_read_as_such(probe: Any) -> None:
    row = ProbeMonitor(["backbone"], probe).look(Images(), 0)["backbone"].row
    assert (row["n"], row["dims"]) == (300, 16)


def test_several_rows_of_a_sample_are_read_where_forward_says_so() -> None:
    monitor = ProbeMonitor(["backbone"], SAMPLES[:40], forward=lambda model, batch: model(batch))
    assert monitor.look(Joined(), 0)["backbone"].row["n"] == 80


class Nodes(nn.Module):
    """Of a graph, whose tensors have other lengths."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, edges: Tensor, x: Tensor, names: list[str], scale: Tensor) -> Tensor:
        z: Tensor = self.layer(x) * scale
        return z


def test_a_layer_may_have_the_rows_of_any_tensor_of_a_mapping() -> None:
    graph = {"edges": torch.zeros(2, 90), "x": torch.randn(30, 4), "names": ["a"] * 30, "scale": torch.tensor(2.0)}
    assert ProbeMonitor(["layer"], graph).look(Nodes(), 0)["layer"].row["n"] == 30
