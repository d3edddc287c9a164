"""HSR-BYOL's trainings, at a size of seconds: what shows there already."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from fullrank.errors import UserError
from fullrank.papers import Outcome, Settings
from fullrank.papers.hsr.energy import energy
from fullrank.papers.hsr.kinds import energy_kinds
from fullrank.papers.hsr.uniformity import uniformity
from fullrank.papers.kit.represented import unseen, unseen_accuracy
from fullrank.papers.kit.training import Size
from tests.papers.labels import labels

pytestmark = pytest.mark.slow

SMALL = Size(steps=10, batch_size=64, image_size=8, probe=128, looks=1)
Run = Callable[[Settings, Size], Outcome]


def small(run: Run, folder: Path, size: Size = SMALL) -> Outcome:
    return run(Settings(out=folder, data="digits", seeds=2), size)


@pytest.fixture(scope="module")
def spread(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return small(uniformity, tmp_path_factory.mktemp("uniformity"), replace(SMALL, steps=20))


@pytest.fixture(scope="module")
def weighted(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return small(energy, tmp_path_factory.mktemp("energy"))


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return small(energy_kinds, tmp_path_factory.mktemp("kinds"))


def values(outcome: Outcome, case: str, number: str) -> list[float]:
    """A column of the table, for the rows of one case, in the order of the seeds."""
    first = next(iter(outcome.rows[0]))
    return [float(row[number]) for row in outcome.rows if row[first] == case]


def above(lower: list[float], higher: list[float]) -> bool:
    """In every seed the second is above the first."""
    return len(lower) == 2 and all(a < b for a, b in zip(lower, higher, strict=True))


def test_the_contrastive_method_is_more_uniform(spread: Outcome) -> None:
    assert above(values(spread, "SimCLR", "uniformity"), values(spread, "BYOL", "uniformity"))


def test_the_uniformity_loss_spreads_and_alignment_pays(spread: Outcome) -> None:
    for number in ("uniformity", "uniformity of the embedding"):
        assert above(values(spread, "BYOL + 1", number), values(spread, "BYOL + 0.1", number))
        assert above(values(spread, "BYOL + 0.1", number), values(spread, "BYOL", number))
    cases = ("BYOL", "BYOL + 0.1", "BYOL + 1", "BYOL + 10")
    for less, more in pairwise(cases):
        assert above(values(spread, less, "alignment"), values(spread, more, "alignment"))


@pytest.mark.parametrize("number", ["between / within", "silhouette"])
def test_the_uniformity_loss_spreads_each_class_more_than_it_parts_them(spread: Outcome, number: str) -> None:
    """The other way round than claimed, in these 20 steps."""
    assert above(values(spread, "BYOL + 1", number), values(spread, "BYOL", number))


def test_no_embedding_beats_the_uniform_distribution(spread: Outcome) -> None:
    even = spread.panels[1].series[-1].y[0]
    assert even == pytest.approx(-3.8752, abs=1e-4)  # log(exp(-4) 0F1(; 32; 4))
    assert all(even < float(row["uniformity of the embedding"]) < 0 for row in spread.rows)


def test_the_parts_on_uniformity_are_five(spread: Outcome) -> None:
    assert len(labels("hsr/uniformity", spread)) == 5
    assert all(f"{case} -" in spread.measured for case in ("SimCLR", "BYOL", "BYOL + 0.1", "BYOL + 1", "BYOL + 10"))


def test_more_weight_means_less_energy(weighted: Outcome) -> None:
    energies = [values(weighted, f"weight {weight}", "weight energy") for weight in (0, 1, 10)]
    assert above(energies[1], energies[0])
    assert above(energies[2], energies[1])
    bound = weighted.panels[0].series[-1].y[0]
    assert bound == pytest.approx(31 / 64 + 63 / 128 + 127 / 256)  # simplices of 32, 64 and 128 rows
    assert all(value > bound for value in energies[2])


def test_the_energy_raises_the_rank(weighted: Outcome) -> None:
    assert above(*(values(weighted, f"weight {weight}", "effective rank") for weight in (0, 10)))


def test_every_kind_that_acts_on_the_encoder_lowers_its_energy(kinds: Outcome) -> None:
    none, usual = (values(kinds, name, "weight energy") for name in ("none", "usual"))
    for name in ("usual", "power 1", "power 0", "angle", "half-space", "encoder only"):
        assert above(values(kinds, name, "weight energy"), none)
    for name in ("power 0", "half-space"):  # they lower another energy than the one that is shown
        assert above(usual, values(kinds, name, "weight energy"))


def test_an_energy_of_the_heads_leaves_the_encoder_its_own(kinds: Outcome) -> None:
    none, usual, heads = (values(kinds, name, "weight energy") for name in ("none", "usual", "heads only"))
    for without, both, other in zip(none, usual, heads, strict=True):
        assert abs(other - without) < 0.1 * (without - both)


def test_more_uniform_kinds_are_named(kinds: Outcome) -> None:
    names = ("usual", "power 1", "power 0", "angle", "half-space", "encoder only", "heads only")
    none = values(kinds, "none", "uniformity")
    assert len(labels("hsr/energy-kinds", kinds)) == len(names)
    assert {str(row["energy"]) for row in kinds.rows} == {"none", *names}
    shown = [name for name in names if above(values(kinds, name, "uniformity"), none)]
    assert kinds.measured.endswith(f"in every seed: {', '.join(shown) or 'no kind'}.")


def test_classes_are_judged_on_test_images(tmp_path: Path) -> None:
    np.savez(tmp_path / "mine.npz", images=np.zeros((4, 8, 8, 1), np.uint8), labels=np.arange(4))
    with pytest.raises(UserError, match="has no test images"):
        next(unseen(Settings(out=tmp_path, data=str(tmp_path / "mine.npz")), {}))


def test_without_training_images_half_of_the_test_images_is_judged_by_the_other_half() -> None:
    """Neighbors that are copies know the answer, training images of other things do not."""
    random = torch.Generator().manual_seed(0)
    z, labels = torch.randn(200, 16, generator=random), torch.arange(200) // 10 % 4
    copies = z.repeat_interleave(2, 0) + 1e-3 * torch.randn(400, 16, generator=random), labels.repeat_interleave(2)
    others = torch.randn(400, 16, generator=random), torch.arange(400) % 4
    assert unseen_accuracy(copies)[0] > 60 > 40 > unseen_accuracy(copies, others)[0]
