"""The papers' figures and gallery: complete, offline, narrow and wide; broken files in one sentence."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure

from fullrank.errors import UserError
from fullrank.report import write_figure, write_gallery
from fullrank.report.papers import panel
from tests.report.browser import browser

PANEL = {
    "title": "rank <b>", "x_label": "step", "y_label": "dimensions", "log_x": False, "log_y": True, "x_names": [],
    "series": [
        {"label": "measured", "x": [1, 2, 3], "y": [1, None, 1e-7], "style": "line"},
        {"label": "measured", "x": [1, 2], "y": [1, 0.5], "style": "points"},
        {"label": "closed form", "x": [1, 3], "y": [1, 1], "style": "expected"},
    ],
}  # fmt: skip
NAMED = {
    **PANEL, "title": "by case", "log_y": False, "x_names": ["MoCo v2", "MoCo v2 + W2"], "y_label": "a long unit " * 5,
    "series": [{"label": "seeds", "x": [0, 1], "y": [-1.0, 2.0], "style": "points"}],
}  # fmt: skip
RESULT = {
    "name": "toy/one", "paper": "We & they 2024", "title": "One <i>", "claim": "It is so.", "verdict": "undecided",
    "measured": "It is <so>.", "command": "fullrank paper toy/one --out here", "seconds": 12.3, "cpu_seconds": 10.4,
    "parts": [{"says": "more <i>", "headline": True, "source": "paper", "kind": "more", "margin": 0.5, "unit": "points",
               "why": "so", "effect": 1.0, "low": -1.0, "high": 3.0, "seeds": 3, "label": "undecided"}],
    "rows": [{"case": "a", "rank": 1.23456}, {"case": "b", "rank": None}], "panels": [PANEL, NAMED, PANEL],
}  # fmt: skip


STYLES = ("expected", "threshold")


def write(folder: Path, **changes: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "result.json"
    path.write_text(json.dumps({**copy.deepcopy(RESULT), **changes}), encoding="utf-8")
    return path


@pytest.mark.slow
def test_a_figure_is_one_valid_svg_with_everything_named(tmp_path: Path) -> None:
    figure = write_figure(write(tmp_path), tmp_path / "figure.svg")
    root = ElementTree.parse(figure).getroot()
    words = " ".join(text for element in root.iter() for text in element.itertext())
    for word in ("rank <b>", "step", "dimensions", "measured", "closed form", "MoCo v2", "10⁻⁴"):
        assert word in words
    names = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(names) == len(set(names))
    again = figure.read_bytes()
    assert write_figure(tmp_path / "result.json", tmp_path / "figure.svg").read_bytes() == again


@pytest.mark.slow
@pytest.mark.debian("chromium")
def test_the_gallery_in_chromium(tmp_path: Path) -> None:
    results = [write(tmp_path / "one"), write(tmp_path / "two", name="toy/two", verdict="reversed", rows=[])]
    page = write_gallery(results, tmp_path / "index.html")
    with browser(tmp_path / "profile") as tab:
        tab.open(page)
        assert tab.ask("document.querySelectorAll('figure svg').length") == 6
        said = tab.ask("document.body.innerText")
        part = "undecided: more <i> (1 points [-1, 3], margin 0.5, 3 seeds; paper)"
        for words in ("2 claims tested: 1 undecided, 1 reversed.", part, "It is <so>.", "1.235", "toy/two"):
            assert words in said
        for width in (1200, 390):
            tab.resize(width)
            assert tab.ask("document.documentElement.scrollWidth - innerWidth") <= 0
        inside = """[...document.querySelectorAll("figure svg")].every(svg => { const box = svg.getBoundingClientRect();
            return [...svg.querySelectorAll("text")].every(text => { const t = text.getBoundingClientRect();
                return t.left > box.left - 2 && t.right < box.right + 12 && t.bottom < box.bottom + 4 }) })"""
        assert tab.ask(inside)
        assert [address for address in tab.requests() if not address.startswith("data:")] == [page.as_uri()]
        assert tab.complaints() == []


@pytest.fixture
def axes(monkeypatch: pytest.MonkeyPatch) -> Axes:
    """What a panel is drawn on."""
    figure = Figure()
    monkeypatch.setitem(mpl.rcParams, "font.size", 9)  # the pages'
    found = figure.add_subplot()

    def svg(draw: Callable[[Axes], None], *, size: tuple[float, float], **_: object) -> None:
        figure.set_size_inches(*size)
        draw(found)

    monkeypatch.setattr(panel, "svg", svg)
    return found


def _lines(axes: Axes, linestyle: str) -> list[list[list[float]]]:
    found = [np.asarray(line.get_xydata()).tolist() for line in axes.lines if line.get_linestyle() == linestyle]
    return [places for places in found if len(places) > 1]


def test_points_of_one_seed_are_linked_and_means_of_cases_are_not(axes: Axes) -> None:
    seeds = {"label": "seeds", "x": [0, 0, 1, 1], "y": [1.0, 2.0, 5.0, 3.0], "style": "points"}
    means = {"label": "mean", "x": [0, 1], "y": [1.5, 4.0], "style": "line"}
    panel.drawn({**NAMED, "series": [seeds, means]}, "a")
    assert _lines(axes, "-") == [[[0, 1.0], [1, 5.0]], [[0, 2.0], [1, 3.0]]]
    (bars,) = axes.containers
    assert isinstance(bars, ErrorbarContainer)
    reach = [(path[1][1] - path[0][1]) / 2 for path in bars.lines[2][0].get_segments()]
    assert reach == pytest.approx([12.706 * 0.5, 12.706 * 1.0], rel=1e-4)  # t of 2 seeds x standard error


@pytest.mark.parametrize("name", ["INTL", "teacher and crops", "two views as the crops are drawn", "a " * 40])
def test_the_legend_is_below_the_names_of_the_cases(axes: Axes, name: str) -> None:
    seeds = {"label": "seeds", "x": [0, 0, 1, 1], "y": [1.0, 2.0, 5.0, 3.0], "style": "points"}
    panel.drawn({**NAMED, "x_names": [name, name], "series": [seeds]}, "a")
    assert isinstance(axes.figure, Figure)
    axes.figure.draw_without_rendering()
    legend = axes.get_legend()
    assert legend is not None
    lowest = min(label.get_window_extent().y0 for label in axes.get_xticklabels())
    assert legend.get_window_extent().y0 >= 0
    assert legend.get_window_extent().y1 <= lowest


@pytest.mark.parametrize("cases", [2, 4, 5])
def test_the_names_of_cases_do_not_run_into_each_other(axes: Axes, cases: int) -> None:
    seeds = {"label": "seeds", "x": [*range(cases)], "y": [1.0] * cases, "style": "points"}
    panel.drawn({**NAMED, "x_names": ["as many steps, each 512"] * cases, "series": [seeds]}, "a")
    assert isinstance(axes.figure, Figure)
    axes.figure.draw_without_rendering()
    places = [label.get_window_extent() for label in axes.get_xticklabels()]
    assert all(left.x1 < right.x0 for left, right in pairwise(places))


def test_within_a_case_the_series_are_linked_seed_by_seed(axes: Axes) -> None:
    alone = {"label": "alone", "x": [-0.2, -0.2, 0.8, 0.8], "y": [1.0, 2.0, 5.0, 3.0], "style": "points"}
    added = {"label": "added", "x": [0.2, 0.2, 1.2, 1.2], "y": [3.0, 4.0, 6.0, 7.0], "style": "points"}
    panel.drawn({**NAMED, "series": [alone, added]}, "a")
    linked = [[[-0.2, 1.0], [0.2, 3.0]], [[-0.2, 2.0], [0.2, 4.0]], [[0.8, 5.0], [1.2, 6.0]], [[0.8, 3.0], [1.2, 7.0]]]
    assert _lines(axes, "-") == linked


def test_every_place_that_several_seeds_have_shows_its_interval_and_its_name(axes: Axes) -> None:
    y = [1.0, 2.0, None, 5.0, 3.0, 1.0]
    seeds = {"label": "seeds", "x": [16, 16, 16, 64, 64, 128], "y": y, "style": "points"}
    panel.drawn({**PANEL, "log_x": True, "log_y": False, "series": [seeds]}, "a")
    reach = {}
    for bars in axes.containers:
        assert isinstance(bars, ErrorbarContainer)
        ((low, high),) = bars.lines[2][0].get_segments()
        reach[float(low[0])] = (high[1] - low[1]) / 2
    assert reach == pytest.approx({16: 12.706 * 0.5, 64: 12.706 * 1.0}, rel=1e-4)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["16", "64", "128"]
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["seeds", "mean, 95 % interval"]


@pytest.mark.parametrize("x", [[1, 2, 1000], [100000.5 * at for at in range(1, 9)]])
def test_places_whose_names_have_no_room_are_not_all_named(x: list[float], axes: Axes) -> None:
    seeds = {"label": "seeds", "x": x, "y": [1.0] * len(x), "style": "points"}
    panel.drawn({**PANEL, "log_y": False, "series": [seeds]}, "a")
    assert not {f"{value:,.6g}" for value in x[1:3]} <= {label.get_text() for label in axes.get_xticklabels()}
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["seeds", "one seed"]


def test_a_threshold_is_dotted_and_a_closed_form_dashed(axes: Axes) -> None:
    panel.drawn({**PANEL, "series": [{"label": one, "x": [1, 3], "y": [1, 1], "style": one} for one in STYLES]}, "a")
    assert {line.get_label(): line.get_linestyle() for line in axes.lines} == {"expected": "--", "threshold": ":"}


@pytest.mark.parametrize(
    "changes",
    [
        {"verdict": "true"},
        {"panels": [{"title": "no series"}]},
        {"panels": [{**PANEL, "series": [{"label": "a", "x": [1], "y": [], "style": "line"}]}]},
        {"panels": [{**PANEL, "series": [{"label": "a", "x": [1], "y": ["b"], "style": "line"}]}]},
        {"panels": [{**PANEL, "series": [{"label": "a", "x": [1], "y": [1], "style": "wavy"}]}]},
        {"panels": 3},
    ],
)
def test_a_broken_result_is_named(changes: dict[str, Any], tmp_path: Path) -> None:
    path = write(tmp_path, **changes)
    with pytest.raises(UserError, match=r"result\.json is not a result of an experiment"):
        write_figure(path, tmp_path / "figure.svg")
    assert not (tmp_path / "figure.svg").exists()


def test_a_gallery_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No experiment to show"):
        write_gallery([], tmp_path / "index.html")
