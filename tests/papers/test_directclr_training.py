"""DirectCLR's trainings on images, at a size of seconds: tiny images, few steps, three seeds.

In 8 steps on digits probes are saturated, so that no order of accuracies is asserted but that of part and whole.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from fullrank.papers import Outcome, Settings
from fullrank.papers.directclr.projector import heads, projector
from fullrank.papers.directclr.sub_vector import PARTS, sub_vector
from fullrank.papers.kit.training import Size
from tests.papers.labels import labels

pytestmark = pytest.mark.slow

SMALL = Size(steps=8, batch_size=64, image_size=8, probe=128, looks=1)
PROBE = "linear probe (%)"


def column(outcome: Outcome, case: str | int, number: str) -> list[float]:
    """A column of the table, for the rows of one case, in the order of the seeds."""
    first = next(iter(outcome.rows[0]))
    found = [float(row[number]) for row in outcome.rows if row[first] == case]
    assert len(found) == 3
    return found


def test_a_sub_vector_knows_less_than_the_whole_and_leaves_rank_to_the_rest(tmp_path: Path) -> None:
    outcome = sub_vector(Settings(out=tmp_path, data="digits"), SMALL)
    whole, part = (
        {d0: column(outcome, d0, f"{what} (%)") for d0 in PARTS[:3]} for what in ("whole representation", "first d0")
    )
    assert all(low < high for d0 in PARTS[:3] for low, high in zip(part[d0], whole[d0], strict=True))
    assert all(small < large for a, b in pairwise(PARTS[:3]) for small, large in zip(part[a], part[b], strict=True))
    ranks = [column(outcome, d0, "effective rank") for d0 in PARTS]
    assert all(few > all_of_them + 5 for few, all_of_them in zip(ranks[0], ranks[-1], strict=True))
    assert labels("directclr/sub-vector", outcome)[4] == "held"  # whole and part, d0 = 8; with 128 digits are saturated


@pytest.fixture(scope="module")
def projected(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return projector(Settings(out=tmp_path_factory.mktemp("projector"), data="digits"), SMALL)


def test_without_a_projector_the_representation_has_less_rank(projected: Outcome) -> None:
    rank = {name: column(projected, name, "rank of the representation") for name in ("none", "DirectCLR", "MLP")}
    for name in ("DirectCLR", "MLP"):
        assert all(less < more for less, more in zip(rank["none"], rank[name], strict=True))
    untrained = column(projected, "untrained", "rank of the representation")
    assert all(trained < before for trained, before in zip(rank["DirectCLR"], untrained, strict=True))


def test_the_embedding_is_what_enters_the_loss(projected: Outcome) -> None:
    widths = {"none": 512, "linear": 128, "DirectCLR": 90, "MLP": 128}
    for name, width in widths.items():
        assert column(projected, name, "dimensions of the embedding") == [width] * 3
        assert all(1 < rank < width / 2 for rank in column(projected, name, "rank of the embedding"))
    assert [len(series.x) for series in projected.panels[1].series] == [min(width, 128) for width in widths.values()]


def test_no_head_ruins_the_digits(tmp_path: Path) -> None:
    outcome = heads(Settings(out=tmp_path, data="digits"), SMALL)
    random, linear, diagonal, low_rank = (
        column(outcome, name, PROBE)
        for name in ("random features", "trainable linear", "trainable diagonal", "fixed low rank")
    )
    assert len(labels("directclr/heads", outcome)) == 5
    assert all(90 < accuracy <= 100 for accuracy in (*random, *linear, *diagonal, *low_rank))
