"""docs/papers.md says what the result files say, and these what the experiments of today make of their rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import combinations
from typing import Any

import pytest

from docs.build.papers import reasons
from docs.build.papers.counts import SHARED
from docs.build.papers.fresh import FIRST, added
from docs.build.papers.page import page
from docs.build.papers.results import BUDGETS, COLOR, DOCS, FRESH, GRAY, of_first_seeds, read, trains
from fullrank.papers import catalog, load
from fullrank.papers.kit.parts import Row, judged


def test_the_page_is_what_its_builder_writes() -> None:
    """After a new result: python -m docs.build.papers."""
    assert (DOCS / "papers.md").read_text(encoding="utf-8") == page()


def test_every_result_has_its_figure() -> None:
    for name, result in read(GRAY).items():
        figure = (GRAY / name / "figure.svg").read_text(encoding="utf-8")
        assert all(panel["title"] in figure for panel in result["panels"] if "<" not in panel["title"])


def test_every_experiment_has_a_result_for_the_claim_that_it_makes_today() -> None:
    results = read(GRAY)
    assert set(results) == set(catalog())
    for name, result in results.items():
        entry = catalog()[name]
        said = (result["name"], result["claim"], result["paper"], result["title"])
        assert said == (name, entry.claim, entry.paper, entry.title)


@pytest.mark.parametrize("name", catalog())
def test_the_parts_of_a_result_are_those_of_today(name: str) -> None:
    """After a change of parts or margins: fullrank paper --judge docs/results/papers."""
    result = read(GRAY)[name]
    today = json.loads(json.dumps(judged(load(name).parts, result["rows"])))
    for found, expected in zip(result["parts"], today, strict=True):
        close = {
            key: pytest.approx(value, rel=1e-4, abs=1e-9) for key, value in expected.items() if type(value) is float
        }
        assert found == {**expected, **close}
    assert result["verdict"] == result["parts"][0]["label"]


def test_results_in_color_and_with_fresh_seeds_are_judged_by_the_parts_of_today() -> None:
    for folder in (FRESH, *(COLOR / budget for budget in BUDGETS)):
        for name, result in read(folder).items():
            assert [part["label"] for part in result["parts"]] == [
                part["label"] for part in judged(load(name).parts, result["rows"])
            ]


def test_fresh_seeds_give_the_same_verdict_or_undecided() -> None:
    fresh, published = read(FRESH), read(GRAY)
    assert all(min(result["seeds"]) >= 1000 for result in fresh.values())
    changed = [name for name, result in fresh.items() if result["verdict"] != published[name]["verdict"]]
    assert len(changed) <= 0.05 * len(fresh)
    assert all("undecided" in (fresh[name]["verdict"], published[name]["verdict"]) for name in changed)


def test_the_announced_minutes_are_those_of_ten_seeds() -> None:
    for name, result in read(GRAY).items():
        seeds = int(result["command"].split("--seeds ")[1].split()[0])
        took = pytest.approx(result["cpu_seconds"] / 60 * 10 / seeds, rel=0.5, abs=0.1)  # a busy machine; 6 s are noise
        assert catalog()[name].minutes == took, name


def test_the_announced_trainings_are_the_cases_of_the_results() -> None:
    for name, result in read(GRAY).items():
        names = list(result["rows"][0])
        columns = names[: names.index("seed")] if catalog()[name].data else []
        cases = {tuple(row[column] for column in columns) for row in result["rows"] if columns} - {("untrained",)}
        shared = int(name == "corinfomax/ablation")  # one training is a case of both sweeps
        assert catalog()[name].trainings == max(0, len(cases) - shared), name


def test_results_say_how_they_were_made() -> None:
    for result in read(GRAY).values():
        assert result["command"].startswith(f"fullrank paper {result['name']} --out ")
        assert result["cpu_seconds"] > 0
        assert {"fullrank", "torch", "numpy"} <= set(result["versions"])


def test_every_claim_that_did_not_hold_has_a_reason_that_was_tested() -> None:
    places = {"gray": read(GRAY), **{budget: read(COLOR / budget) for budget in BUDGETS}}
    unheld = reasons.unheld(places)
    assert {*unheld} == {*reasons.REASONS}
    assert "intl/probe" not in unheld  # it tests a reason itself
    for name in unheld:
        assert any(reasons.asked(reason, places) for reason in reasons.REASONS[name]), name


@pytest.mark.parametrize(
    ("label", "so"), [("held", "the reason stands"), ("undecided", "open"), ("reversed", "the reason is refuted")]
)
def test_a_reason_stands_where_its_test_held_and_is_refuted_where_it_was_reversed(
    label: str, so: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = {"says": "finer", "label": label, "effect": 0.0, "low": -1.0, "high": 1.0, "margin": 0.5, "unit": "points"}
    test = {"verdict": label, "parts": [{**part, "kind": "more", "seeds": 3}]}
    places: dict[str, dict[str, dict[str, Any]]] = {
        "gray": {"w2/hosts": {"verdict": "reversed"}},
        "150": {"w2/weights": test},
    }
    monkeypatch.setattr(reasons, "REASONS", {"w2/hosts": (reasons.Reason("Weights", "w2/weights", "150", "finer"),)})
    lines = reasons.section(places, {"gray": "gray", "150": "150 steps"}).splitlines()
    assert lines[-1].startswith("| `w2/hosts` | gray: reversed | Weights. | `w2/weights`, 150 steps | finer: ")
    assert lines[-1].endswith(f"| {so} |")


def test_a_test_that_is_a_part_of_the_same_result_only_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    part = {"label": "held", "effect": 1.0, "low": 0.5, "high": 1.5, "margin": 0.5, "unit": "points", "kind": "more"}
    parts = [{**part, "says": says, "seeds": 3} for says in ("headline", "finer")]
    places = {"gray": {"w2/hosts": {"verdict": "reversed", "parts": parts}}}
    monkeypatch.setattr(reasons, "REASONS", {"w2/hosts": (reasons.Reason("Weights", "w2/hosts", part="finer"),)})
    assert reasons.section(places, {"gray": "gray"}).splitlines()[-1].endswith(", margin 0.5, 3 seeds | it fits |")


@pytest.mark.parametrize(
    ("fewer", "so"),
    [
        ([1.0, 3.5, -1.0], "the reason stands: 13.8 [13.1, 14.6] more than after 150"),
        ([8.0, 20.0, 2.0], "open: 5 [-12.9, 22.9] more than after 150"),
        ([11.0, 12.0, 13.0], "open: it held with fewer steps, too"),
        (None, "open: no control"),
    ],
)
def test_too_few_steps_are_a_reason_only_where_more_of_them_do_more(
    fewer: list[float] | None, so: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def result(gains: list[float], base: float) -> dict[str, Any]:
        cases: dict[str, list[float]] = {"weight 10": [base + gain for gain in gains], "weight 0": [base] * len(gains)}
        rows: list[Row] = [
            {"energy": case, "seed": seed, "kNN (%)": value}
            for case, values in cases.items()
            for seed, value in enumerate(values)
        ]
        part = judged(load("hsr/energy").parts[:1], rows)
        return {"name": "hsr/energy", "verdict": part[0]["label"], "parts": part, "rows": rows}

    places = {"gray": {"hsr/energy": result([-1.0, 0.0, 1.0], 70)}, "900": {}, "arrays": {}}
    places["900"]["hsr/energy"] = result([15.0, 17.0, 13.0], 70)
    if fewer is not None:
        places["arrays"]["hsr/energy"] = result(fewer, 60)
    reason = reasons.Reason("In color short", "hsr/energy", "900", control="arrays")
    monkeypatch.setattr(reasons, "REASONS", {"hsr/energy": (reason,)})
    lines = reasons.section(places, {"gray": "gray", "900": "900 steps", "arrays": "150 steps"}).splitlines()
    assert lines[-2].endswith(f"| {so} |")
    assert lines[-1] == "|  |  | In gray none is suspected. |  |  | open |"


def test_more_steps_are_compared_by_the_same_seeds_and_nearness_where_two_are_to_be_level() -> None:
    places = {"gray": read(GRAY), "fresh": read(FRESH)} | {budget: read(COLOR / budget) for budget in BUDGETS}
    other_seeds = reasons.Reason("", "hsr/energy", "fresh", control="gray")
    assert reasons.beside_fewer_steps(other_seeds, places) == "open: no two seeds in common"
    level = reasons.Reason("", "corinfomax/dimension", "900", control="arrays")
    assert reasons.beside_fewer_steps(level, places).endswith("] nearer to level than after 150")


def test_verdicts_that_more_seeds_have_changed_are_listed_and_no_others() -> None:
    gray = read(GRAY)
    table = added({"gray": gray}, read(FRESH))
    assert "| `intl/other-g`, no images | held, 6.5 [3.78, 9.22]" in table
    for name in ("intl/power-images", "hsr/separability"):
        same = of_first_seeds(gray[name], FIRST)["label"] == gray[name]["verdict"]
        assert (f"`{name}`" in table) != same


@pytest.mark.parametrize(
    ("second", "at", "so"),
    [
        ("held", "150", "the reason stands"),
        ("undecided", "150", "open, as the tests differ; by this one the reason stands"),
        ("undecided", "gray", "the reason stands"),
    ],
)
def test_tests_of_one_reason_that_do_not_agree_leave_it_open(
    second: str, at: str, so: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = {"says": "more", "effect": 0.0, "low": -1.0, "high": 1.0, "margin": 0.5, "unit": "points", "kind": "more"}

    def result(label: str) -> dict[str, Any]:
        return {"verdict": label, "parts": [{**part, "label": label, "seeds": 3}]}

    places = {"gray": {"w2/hosts": result("reversed")}, "150": {}, "900": {"w2/weights": result("held")}}
    places[at]["w2/floor"] = result(second)
    two = (reasons.Reason("Weights", "w2/weights", "900"), reasons.Reason("Weights", "w2/floor", at))
    monkeypatch.setattr(reasons, "REASONS", {"w2/hosts": two})
    lines = reasons.section(places, {"gray": "gray", "150": "150 steps", "900": "900 steps"}).splitlines()
    assert lines[-2].endswith(f"| {so} |")


def _numbers(row: Mapping[str, object]) -> set[tuple[object, float]]:
    """What was measured after training to four digits or more, with the seed."""
    said = {name: value for name, value in row.items() if not name.endswith(("untrained", " 0 %"))}
    return {
        (row["seed"], value) for value in said.values() if isinstance(value, float) and value != float(f"{value:.3g}")
    }


def test_experiments_with_equal_numbers_are_said_to_share_trainings() -> None:
    rows = {name: [_numbers(row) for row in one["rows"]] for name, one in read(GRAY).items() if trains(name)}
    groups = {name: group for group in SHARED for name in group}
    assert len(groups) == sum(map(len, SHARED))
    assert set(groups) <= set(rows)
    for one, other in combinations(rows, 2):
        common = (some & others for some in rows[one] for others in rows[other])
        alike = any(len(both) > 1 and any(value != float(f"{value:.4g}") for _, value in both) for both in common)
        if alike:  # two numbers of one row, of which one has five digits
            assert groups.get(one) == groups.get(other) is not None, (one, other)
