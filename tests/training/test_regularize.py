from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch
from torch import nn

from fullrank.losses import alignment, coding_rate, combine, uniformity, w2
from fullrank.losses.energy import hyperspherical_energy, layer_energy
from fullrank.methods import JointEmbedding
from fullrank.nn import encoder
from fullrank.recipes import Recipe, with_settings
from fullrank.recipes.invariance import Invariance
from fullrank.regularizers.coding_rate import CodingRate
from fullrank.regularizers.energy import Energy
from fullrank.regularizers.uniformity import Uniformity
from fullrank.regularizers.w2 import W2
from fullrank.runs import read_rows
from fullrank.training.regularize import regularize

METHOD = JointEmbedding(encoder("tiny", image_size=16, channels=1), nn.Sequential(nn.Linear(512, 8)), alignment)
TERMS = combine({"alignment": (1.0, torch.tensor(2.0))})


def outputs() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(2, 8, 4, generator=generator) for name in ("representation", "embedding", "prediction")}


def test_w2_check_13_the_weight_falls_linearly_by_epoch() -> None:
    weights = [W2(1.0, w2_end=0.2).weight(epoch, 4) for epoch in (1, 2, 3, 4)]
    assert weights == pytest.approx([0.8, 0.6, 0.4, 0.2])
    assert [W2(0.2).weight(epoch, 4) for epoch in (1, 4)] == [0.2, 0.2]


def test_added_terms_are_named_and_counted_once() -> None:
    out = outputs()
    terms = regularize(TERMS, out, METHOD, Recipe(w2=W2(0.5), uniformity=Uniformity(2.0)), epoch=1, epochs=1)
    assert list(terms) == ["alignment", "loss", "+w2", "+uniformity"]
    expected = 2.0 + 0.5 * w2(out["embedding"])["loss"] + 2.0 * uniformity(out["embedding"])["loss"]
    torch.testing.assert_close(terms["loss"], expected)


@pytest.mark.parametrize("on", ["embedding", "prediction", "representation"])
def test_what_is_spread_can_be_chosen(on: str) -> None:
    out = outputs()
    recipe = Recipe(w2=W2(1.0), uniform_on=on)  # type: ignore[arg-type]
    terms = regularize(TERMS, out, METHOD, recipe, epoch=1, epochs=1)
    torch.testing.assert_close(terms["+w2"], w2(out[on])["loss"])


def test_the_energy_is_that_of_the_chosen_networks() -> None:
    weight = METHOD.projector[0].weight  # type: ignore[index]
    assert isinstance(weight, torch.Tensor)
    recipe = Recipe(energy=Energy(3.0, energy_power=1, energy_half_space=True, energy_on=("projector", "predictor")))
    terms = regularize(TERMS, outputs(), METHOD, recipe, epoch=1, epochs=1)
    expected = hyperspherical_energy(weight, power=1, half_space=True)
    torch.testing.assert_close(terms["+energy"], expected)
    torch.testing.assert_close(terms["loss"], 2.0 + 3.0 * expected)
    both = regularize(TERMS, outputs(), METHOD, Recipe(energy=Energy(3.0)), epoch=1, epochs=1)["+energy"]
    torch.testing.assert_close(both, layer_energy(METHOD.encoder) + hyperspherical_energy(weight))


ACTS = {
    "w2_end": 0.0,
    "energy_power": 1,
    "energy_angular": True,
    "energy_half_space": True,
    "energy_on": ("projector",),
}
FLAGS = [(name, field.name) for name, one in Recipe().regularizers().items() for field in fields(one)]


@pytest.mark.parametrize(("regularizer", "flag"), FLAGS)
def test_every_flag_acts(regularizer: str, flag: str) -> None:
    on = with_settings(Recipe(), {regularizer: 1.0})
    changed = with_settings(on, {flag: ACTS.get(flag, 2.0)})
    one, other = (regularize(TERMS, outputs(), METHOD, each, epoch=1, epochs=2)["loss"] for each in (on, changed))
    assert bool(torch.stack([one, other]).isfinite().all())
    assert one != other


def test_without_weights_nothing_changes() -> None:
    assert regularize(TERMS, outputs(), METHOD, Recipe(), epoch=1, epochs=1) is TERMS


@pytest.mark.slow
def test_the_flag_raises_the_rank_and_is_logged(train: Callable[..., tuple[Path, bool]], small: Recipe) -> None:
    """W2 on INTL's opposite: SimCLR at a high temperature uses few dimensions, and more with the flag."""
    from fullrank import recipes

    settings = {"data": "digits", "image_size": 16, "batch_size": 128, "steps": 60, "projector": (64, 32)}
    plain = recipes.load("simclr")(**settings, temperature=1.0)  # type: ignore[arg-type, call-arg]
    ranks = []
    for weight in (0.0, 2.0):
        run, _ = train(f"w2-{weight}", replace(plain, w2=W2(weight)))
        rows = read_rows(run / "metrics.jsonl")
        ranks.append(rows[-1]["embedding"]["effective_rank"])
        logged = [row for row in rows if row["kind"] == "train"][-1]
        assert ("+w2" in logged["terms"]) == (weight > 0)
        assert logged["loss"] == pytest.approx(
            logged["terms"]["nt_xent"] + weight * logged["terms"].get("+w2", 0.0), rel=1e-5
        )
    assert ranks[1] > 1.5 * ranks[0]


def test_the_coding_rate_spreads_the_embedding_and_pulls_no_views() -> None:
    out = outputs()
    recipe = Recipe(coding_rate=CodingRate(2.0), uniform_on="prediction")
    terms = regularize(TERMS, out, METHOD, recipe, epoch=1, epochs=1)
    rows = nn.functional.normalize(out["embedding"].double(), dim=2)
    rates = [0.5 * torch.logdet(torch.eye(4) + 4 / (8 * 0.2) * view.T @ view) for view in rows]
    torch.testing.assert_close(terms["+coding_rate"].double(), -torch.stack(rates).mean(), rtol=1e-6, atol=0)
    torch.testing.assert_close(terms["loss"], 2.0 + 2.0 * terms["+coding_rate"])


def test_the_coding_rate_of_a_single_view() -> None:
    """As INTL's student has beside a teacher."""
    out = {name: z[:1] for name, z in outputs().items()}
    one = regularize(TERMS, out, METHOD, Recipe(coding_rate=CodingRate(1.0)), epoch=1, epochs=1)["+coding_rate"]
    torch.testing.assert_close(one, coding_rate(out["embedding"].expand(2, -1, -1))["rate"])


@pytest.mark.slow
def test_the_coding_rate_keeps_the_rank_of_a_method_that_collapses(train: Callable[..., tuple[Path, bool]]) -> None:
    """Measured with seeds 0, 1 and 2: effective ranks of 1.2 without and of 18 and more with it, of 32."""
    plain = Invariance(data="digits", image_size=16, batch_size=128, steps=60, projector=(64, 32))
    ranks = []
    for weight in (0.0, 0.1):
        run, _ = train(f"rate-{weight}", replace(plain, coding_rate=CodingRate(weight)))
        ranks.append(read_rows(run / "metrics.jsonl")[-1]["embedding"]["effective_rank"])
    assert ranks[0] < 2
    assert ranks[1] > 5 * ranks[0]


def test_the_page_shows_the_whole_of_a_regularizer() -> None:
    """docs/architecture.md: its file, line by line, and what a recipe gets."""
    root = Path(__file__).parents[2]
    page = (root / "docs" / "architecture.md").read_text(encoding="utf-8")
    diff = r"```diff\n--- a/(fullrank/recipes/_recipe.py)\n@@.*?\n(.*?)--- /dev/null\n\+{3} b/(.*?)\n(.*?)```"
    ((recipe, field, file, lines),) = re.findall(diff, page, re.DOTALL)
    source = (root / recipe).read_text(encoding="utf-8").splitlines()
    assert [line[1:] in source for line in field.splitlines()] == [True, True]
    assert "".join(f"+{line}\n" for line in (root / file).read_text(encoding="utf-8").splitlines()) == lines
