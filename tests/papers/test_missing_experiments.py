"""The experiments that were missing: what is exact in them, and that each of them runs, at a size of seconds."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from fullrank.errors import UserError
from fullrank.losses import alignment, nt_xent, w2
from fullrank.papers import Outcome, Settings, load
from fullrank.papers.corinfomax.dimension import dimension
from fullrank.papers.corinfomax.exact import exact
from fullrank.papers.corinfomax.small_batch import small_batch
from fullrank.papers.directclr.alignment import alignment as layers_align
from fullrank.papers.directclr.alignment import overlap
from fullrank.papers.directclr.residual import residual_heads, residual_sub_vector
from fullrank.papers.directclr.strength import strength
from fullrank.papers.hsr.equal_energy import equal_energy
from fullrank.papers.hsr.equal_energy import overlap as overlap_of_rows
from fullrank.papers.hsr.few_labels import few_labels, shares
from fullrank.papers.hsr.layers import by_layer, layers
from fullrank.papers.hsr.over_training import over_training
from fullrank.papers.hsr.separability import separable
from fullrank.papers.intl.batch import learning_rate
from fullrank.papers.intl.competitive import competitive as intl_competitive
from fullrank.papers.intl.controls import controls
from fullrank.papers.intl.crops import crops_alike
from fullrank.papers.intl.other_g import OTHERS, capped, logarithmic, other_g, ridged
from fullrank.papers.intl.probe import probe
from fullrank.papers.intl.width import width
from fullrank.papers.kit import short
from fullrank.papers.kit.parts import Row, Table, at_equal
from fullrank.papers.kit.short import gray, in_memory, train
from fullrank.papers.kit.training import Size
from fullrank.papers.w2.floor import floor, limit
from fullrank.papers.w2.more_hosts import more_hosts, with_w2
from fullrank.papers.w2.weights import finer_weights, weights
from fullrank.recipes.byol import BYOL
from fullrank.regularizers.energy import Energy
from tests.data.files import plain
from tests.papers.labels import labels

SMALL = Size(steps=8, batch_size=64, image_size=8, probe=128, looks=1)  # 1 step of 512 images
TOY: dict[str, Callable[..., Outcome]] = {
    "corinfomax/exact": exact,
    "corinfomax/small-batch": small_batch,
    "hsr/equal-energy": equal_energy,
    "intl/controls": controls,
    "intl/other-g": other_g,
    "intl/width": width,
    "w2/more-hosts": more_hosts,
}
IMAGES: dict[str, Callable[..., Outcome]] = {
    "corinfomax/dimension": dimension,
    "directclr/alignment": layers_align,
    "directclr/augmentation": strength,
    "directclr/residual-heads": residual_heads,
    "directclr/residual-sub-vector": residual_sub_vector,
    "hsr/few-labels": few_labels,
    "hsr/layers": layers,
    "hsr/over-training": over_training,
    "hsr/separability": separable,
    "intl/competitive": intl_competitive,
    "intl/crops-alike": crops_alike,
    "intl/learning-rate": learning_rate,
    "intl/probe": probe,
    "w2/finer-weights": finer_weights,
    "w2/weights": weights,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", TOY)
def test_a_toy_runs_and_every_part_of_its_claim_is_measured(name: str, tmp_path: Path) -> None:
    outcome = TOY[name](Settings(out=tmp_path, seeds=1), steps=3)
    assert len(labels(name, outcome)) == len(load(name).parts)
    assert {row["seed"] for row in outcome.rows} == {0}


@pytest.mark.slow
@pytest.mark.parametrize("name", IMAGES)
def test_a_training_runs_and_every_part_of_its_claim_is_measured(name: str, tmp_path: Path) -> None:
    outcome = IMAGES[name](Settings(out=tmp_path, data="digits", seeds=1), SMALL)
    assert set(labels(name, outcome)) == {"undecided"}  # which is said of one seed
    assert outcome.measured.endswith(").")


def test_files_of_images_are_read_into_memory_where_they_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for split, count in (("train", 6), ("test", 4)):
        plain(tmp_path / "photos" / split, count)
    settings = Settings(out=tmp_path, data=str(tmp_path / "photos"), seeds=1)
    train_images, test_images = in_memory(settings)
    assert (len(train_images), len(test_images)) == (6, 4)
    assert train_images.dtype == torch.uint8
    assert train_images.shape[1:] == test_images.shape[1:]
    monkeypatch.setattr(short, "_MOST", 100)
    with pytest.raises(UserError, match="take more than 2 GB at"):
        in_memory(settings)


def test_uniform_samples_reach_the_floor_of_their_number(tmp_path: Path) -> None:
    table = Table(floor(Settings(out=tmp_path, seeds=1)).rows)
    for ratio in (2.0, 16.0):
        assert table.of("W2", 128, ratio, "none dead") == pytest.approx([limit(ratio)], abs=0.02)
    assert all(limit(few) > limit(many) for few, many in pairwise((0.5, 1.0, 4.0, 1000.0)))


def test_at_equal_x_only_what_is_not_owed_to_x_is_left() -> None:
    """Both lines are y = x, and one is 3 higher; what lies beyond the x of the other is not asked."""
    cases = {"a": (1.0, 2.0, 9.0), "b": (0.0, 2.0, 4.0)}
    rows: list[Row] = [
        {"loss": loss, "weight": at, "seed": 0, "x": x, "y": x + 3 * (loss == "a")}
        for loss, values in cases.items()
        for at, x in enumerate(values)
    ]
    ours, theirs = ([(loss, at) for at in range(3)] for loss in cases)
    assert at_equal(Table(rows), "x", "y", ours, over=theirs) == pytest.approx([3.0])


def test_other_functions_of_the_spectrum_are_what_they_say() -> None:
    eigenvalues = torch.tensor([4.0, 1.0, 0.25, 0.0])
    mean = eigenvalues.mean()
    assert torch.allclose(ridged(1e-9)(eigenvalues[:3]), eigenvalues[:3].rsqrt())
    assert torch.equal(capped(1.0)(eigenvalues)[1:], mean.rsqrt().expand(3))
    assert torch.allclose(eigenvalues * logarithmic(eigenvalues).square(), (eigenvalues / mean).log1p())
    assert all(torch.isfinite(g(eigenvalues)).all() for g in OTHERS.values())


def test_w2_is_added_to_the_host() -> None:
    z = torch.randn(2, 32, 8, generator=torch.Generator().manual_seed(0))
    assert with_w2(alignment, 2.0)(z)["loss"] == pytest.approx(float(alignment(z)["loss"] + 2 * w2(z)["loss"]))


def test_layers_that_share_their_directions_overlap() -> None:
    random = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(16, 16, generator=random)).Q
    falling = torch.logspace(0, -2, 16)
    written, read = basis @ torch.diag(falling), torch.diag(falling) @ basis.T
    assert overlap(written, read) == pytest.approx(1.0, abs=1e-5)
    assert overlap(written, torch.diag(falling.flip(0)) @ basis.T) == pytest.approx(0.0, abs=1e-5)
    assert overlap(torch.randn(400, 400, generator=random), torch.randn(400, 400, generator=random)) < 0.3


def test_rows_of_one_direction_overlap_and_orthogonal_ones_do_not() -> None:
    assert float(overlap_of_rows(5 * torch.eye(4))) == 0
    assert float(overlap_of_rows(torch.ones(3, 4))) == pytest.approx(6.0)


def test_few_labels_are_a_tenth_of_those_that_are_known() -> None:
    """With a class for each sign a few labels are enough; where labels are chance, none are."""
    random = torch.Generator().manual_seed(0)
    z = torch.randn(400, 4, generator=random)
    known, test = (z[:200], (z[:200, 0] > 0).long()), (z[200:], (z[200:, 0] > 0).long())
    few, all_of_them = shares(known, test)
    assert 60 < few < all_of_them
    assert all_of_them > 90


@pytest.mark.slow
def test_a_short_training_is_its_seeds_and_learns() -> None:
    images = torch.randint(0, 256, (128, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    found = [train(images, nt_xent, SMALL, 0.5, seed) for seed in (0, 0, 1)]
    same, again, other = (one.embeddings(images) for one in found)
    assert torch.equal(same, again)
    assert not torch.equal(same, other)
    assert torch.allclose(same[:5], found[0].embeddings(images[:5]), atol=1e-5)  # eval mode: no batch statistics
    assert gray(8, 0.2).scale[0] > gray(8, 0.9).scale[0]


@pytest.mark.slow
def test_a_short_training_takes_the_method_and_the_terms_of_a_recipe() -> None:
    images = torch.randint(0, 256, (64, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    without, spread = (
        by_layer(train(images, BYOL(projector=(32, 8), energy=Energy(weight)), SMALL, 0.5, 0).encoder)
        for weight in (0.0, 10.0)
    )
    assert all(low < high for low, high in zip(spread, without, strict=True))
