"""The page about a comparison: what it says, and how it is in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import fullrank
from fullrank.report.comparison.page import comparison_page, write_comparison
from tests.metrics.clouds import gaussian
from tests.report.browser import browser
from tests.report.test_browser import OVERFLOW, SMALLEST, _brightness
from tests.report.test_diagnosis import REACHED
from tests.report.test_page import HOSTILE

DECAY = torch.arange(1, 17) ** 0.6


def compared(new: torch.Tensor) -> dict[str, Any]:
    return fullrank.compare(gaussian(300, 16), new, expect="same-rows" if len(new) == 300 else None).to_json()


@pytest.mark.slow
def test_it_says_what_regressed_and_by_how_much() -> None:
    content = compared(gaussian(300, 16) / DECAY)
    page = comparison_page(content)
    assert '<p class="kind">Regressed</p>' in page
    for side in ("old", "new"):
        assert content[side]["sentence"] in page
    rank = next(change for change in content["changes"] if change["name"] == "effective_rank")
    row = page[page.index(f'<tr class="bad"><th scope="row">{rank["title"]}') :].split("</tr>")[0]
    for words in (f"{rank['old']:.3g}", f"{rank['new']:.3g}", f"{rank['low']:.3g} to", f"{rank['limit']:.2g}"):
        assert f"{words}" in row
    assert row.endswith(">regressed</td>")
    assert page.count("<tr") == 2 + len(content["changes"]) + len(content["checks"])


@pytest.mark.slow
def test_it_says_what_of_the_rows_differs_and_what_was_not_asked() -> None:
    z = gaussian(300, 16)
    page = comparison_page(fullrank.compare(z, z.flip(0)).to_json())
    assert '<p class="kind">Different</p>' in page
    row = page[page.index('<tr class="bad"><th scope="row">rows that do not correspond') :].split("</tr>")[0]
    assert row.endswith(">different</td>")
    unpaired = comparison_page(fullrank.compare(z, gaussian(200, 16, seed=1)).to_json())
    assert "Not checked: correspondence and structure, because the rows are taken for other samples." in unpaired
    assert "squared MMD" in unpaired


@pytest.mark.slow
def test_sides_without_a_spectrum_have_no_figure() -> None:
    content = compared(gaussian(300, 16))
    for side in ("old", "new"):
        content[side]["spectrum"] = []
    assert "<figure" not in comparison_page(content)


@pytest.mark.slow
def test_text_of_others_stays_text() -> None:
    content = compared(gaussian(300, 16))
    content["old"] |= {"source": HOSTILE, "sentence": HOSTILE}
    assert "<img" not in comparison_page(content | {"sentence": HOSTILE})


@pytest.mark.slow
@pytest.mark.debian("chromium")
@pytest.mark.parametrize("new", [gaussian(300, 16) / DECAY, torch.ones(200, 8)], ids=["decayed", "one point"])
def test_the_page_in_chromium(new: torch.Tensor, tmp_path: Path) -> None:
    page = write_comparison(compared(new), tmp_path / "compare.html")
    with browser(tmp_path / "profile") as tab:
        tab.open(page)
        assert tab.ask('document.querySelectorAll("figure").length') == 1
        for width in (1200, 390):
            tab.resize(width)
            assert tab.ask(SMALLEST) > 15
            assert tab.ask(OVERFLOW) <= 0
        assert tab.ask(REACHED)
        tables = 2 if len(new) == 300 else 1
        assert tab.ask("document.querySelectorAll(\"[tabindex='0']\").length") == tables  # wide ones scroll by keys
        assert _brightness(tab, "light") > 200
        assert _brightness(tab, "dark") < 60
        assert [address for address in tab.requests() if not address.startswith("data:")] == [page.as_uri()]
        assert tab.complaints() == []
