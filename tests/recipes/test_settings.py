"""Regularizers are records in a recipe, and flat everywhere else: in the flags, the presets and config.json."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path

import pytest

from fullrank import recipes
from fullrank.cli import main
from fullrank.commands._common import parse
from fullrank.engine import RunOptions
from fullrank.errors import UserError
from fullrank.recipes import Recipe, from_settings, settings, with_settings
from fullrank.recipes.byol import BYOL
from fullrank.recipes.presets import begin, like
from fullrank.regularizers.coding_rate import CodingRate
from fullrank.regularizers.energy import Energy
from fullrank.regularizers.uniformity import Uniformity
from fullrank.regularizers.w2 import W2
from fullrank.training.api import train

CHANGED = BYOL(
    w2=W2(0.5, w2_end=0.0),
    uniformity=Uniformity(1.0),
    uniform_on="prediction",
    energy=Energy(1.0, energy_power=1, energy_angular=True, energy_half_space=True, energy_on=("encoder",)),
    coding_rate=CodingRate(0.1),
)
FLAGS = """--w2 0.5 --w2-end 0 --uniformity 1 --uniform-on prediction
    --energy 1 --energy-power 1 --energy-angular --energy-half-space --energy-on encoder --coding-rate 0.1"""
OLD = json.loads((Path(__file__).parents[1] / "runs" / "data" / "killed-0.1.0" / "config.json").read_text())


def test_flags_have_no_prefix() -> None:
    assert parse(BYOL, FLAGS.split(), "train byol", BYOL()) == CHANGED


def test_help_names_the_groups(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "byol", "--help"])
    said = capsys.readouterr().out
    groups = ("W2 uniformity", "Wang-Isola uniformity", "weight energy", "coding rate")
    assert all(f" {name} options " in said for name in groups)
    assert "recipe." not in said


@pytest.mark.parametrize("name", recipes.names())
def test_a_recipe_equals_what_is_read_from_its_config(name: str) -> None:
    kind = recipes.load(name)
    for changes in ({}, {"w2": 0.5, "w2_end": 0.1, "energy": 2.0, "energy_on": ("projector",), "uniformity": 3.0}):
        recipe = with_settings(kind(), changes)
        assert from_settings(kind, json.loads(json.dumps(settings(recipe), default=str))) == recipe


def test_settings_are_flat_as_in_version_0_1_0() -> None:
    """Every setting of an old run has its name and its value; new ones, which it does not have, their defaults."""
    kind = recipes.load(OLD["recipe"])
    read = from_settings(kind, OLD["settings"])
    now = json.loads(json.dumps(settings(read), default=str))
    assert {name: now[name] for name in OLD["settings"]} == OLD["settings"]
    assert [name for name in now if name in OLD["settings"]] == list(OLD["settings"])
    assert {name: now[name] for name in set(now) - set(OLD["settings"])} == {
        name: value for name, value in settings(kind()).items() if name not in OLD["settings"]
    }


def test_a_setting_leaves_its_neighbors() -> None:
    changed = with_settings(CHANGED, {"w2": 2.0, "energy_power": 0})
    assert changed.w2 == W2(2.0, w2_end=0.0)
    assert changed.energy == Energy(
        1.0, energy_power=0, energy_angular=True, energy_half_space=True, energy_on=("encoder",)
    )
    assert changed.uniformity is CHANGED.uniformity


def test_a_preset_sets_the_flags_of_a_regularizer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And a flag beside it changes one of them and leaves the others."""
    (tmp_path / "byol.toml").write_text(
        '[study]\nsource = "x"\n[study.settings]\nw2 = [30.0, "paper"]\nw2_end = [0.0, "paper"]\n'
    )
    monkeypatch.setattr("fullrank.recipes.presets._path", lambda file: tmp_path / f"{file}.toml")
    _, made, flags = begin("byol", BYOL, ["--preset", "study", "--w2", "20"])
    assert made.w2 == W2(30.0, w2_end=0.0)
    assert parse(BYOL, flags, "train byol", made).w2 == W2(20.0, w2_end=0.0)
    assert main(["recipes", "byol"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["--w2", "0", "30"] in rows
    assert ["--w2-end", "None", "0"] in rows


def test_a_setting_from_python_is_suggested_by_its_flag() -> None:
    with pytest.raises(UserError, match="The recipe byol has no setting w2_ends: did you mean w2_end"):
        train("byol", w2_ends=0.5)


def test_a_number_in_the_place_of_a_regularizer_is_an_error() -> None:
    expected = r"BYOL got w2=0.5: pass W2\(0.5\), from fullrank.regularizers.w2."
    with pytest.raises(UserError, match=expected):
        BYOL(w2=0.5)  # type: ignore[arg-type]


def test_a_recipe_of_ones_own_changes_a_default_by_a_record() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Mine(Recipe):
        w2: W2 = W2(0.5, w2_end=0.1)  # noqa: RUF009

    assert settings(Mine())["w2_end"] == 0.1
    assert from_settings(Mine, {"w2": 0.2}).w2 == W2(0.2, w2_end=0.1)

    @dataclass(frozen=True, kw_only=True)
    class Number(Recipe):
        w2: float = 0.5  # type: ignore[assignment]

    with pytest.raises(UserError, match=r"Number got w2=0.5: pass W2\(0.5\)"):
        Number()

    @dataclass(frozen=True, kw_only=True)
    class Twice(Recipe):
        energy_power: int = 1

    with pytest.raises(UserError, match=r"Twice has a setting energy_power, which is a flag of Energy, .*another name"):
        Twice()


def test_the_name_of_a_field_is_the_flag_of_its_weight() -> None:
    for name, regularizer in Recipe().regularizers().items():
        assert fields(regularizer)[0].name == name
        assert getattr(regularizer, name) == 0.0


@pytest.mark.parametrize("flags", [["--backbone=tiny", "--views=simclr"], ["--backbone", "tiny", "--views", "simclr"]])
def test_code_that_a_run_names_is_not_asked_about_where_a_flag_takes_its_place(
    flags: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("net", "augment"):
        (tmp_path / f"{name}.py").write_text("")
    settings = {"backbone": f"{tmp_path}/net.py:Net", "views": f"{tmp_path}/augment.py:views"}
    (tmp_path / "config.json").write_text(json.dumps({"recipe": "simclr", "settings": settings}), encoding="utf-8")
    asked = ["--like", str(tmp_path)]
    assert like("simclr", recipes.load("simclr"), asked + flags)[2] == flags
    for one in (flags[: len(flags) // 2], []):
        with pytest.raises(UserError, match=r"name it as --(views|backbone) yourself"):
            like("simclr", recipes.load("simclr"), asked + one)


def test_like_takes_the_options_of_a_run_but_for_where_it_took_place(tmp_path: Path) -> None:
    learned = {"accumulate": 2, "precision": "32-true", "compile": True, "logger": "csv"}
    watched = {"checkpoint_every": 4, "monitor_every": 7, "on_collapse": "stop", "probe": 64}
    where = {"out": "elsewhere", "devices": 3, "nodes": 2, "strategy": "fsdp", "workers": 9}
    assert {*learned, *watched, *where} == {field.name for field in fields(RunOptions)}
    config = {"recipe": "simclr", "settings": {}, "run": learned | watched | where}
    for name in ("simclr", "byol"):
        (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
        begun = like(name, recipes.load(name), ["--like", str(tmp_path)])[1]
        assert begun is not None
        assert begun[1] == RunOptions(**learned, **watched)  # type: ignore[arg-type]
    (tmp_path / "config.json").write_text(json.dumps(config | {"run": {"accumulate": "two"}}), encoding="utf-8")
    with pytest.raises(UserError, match="accumulate"):
        like("simclr", recipes.load("simclr"), ["--like", str(tmp_path)])
