"""The site: everything that the code has is on it, links follow the pages, and Sphinx has nothing to warn of."""

from __future__ import annotations

import inspect
import subprocess
import sys
from dataclasses import dataclass, is_dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import fullrank
from docs.build.site import api, assemble, reference
from fullrank import cli, metrics, recipes
from fullrank.cli import COMMANDS
from fullrank.commands._common import parse
from fullrank.diagnosis.kinds import RULES
from fullrank.diagnosis.profiles import PROFILES


@pytest.mark.slow
def test_every_command_recipe_finding_and_name_has_its_place() -> None:
    pages = reference.pages()
    assert {f"commands/{name}" for name in COMMANDS} <= set(pages)
    assert {f"recipes/{name}" for name in recipes.names()} <= set(pages)
    assert {f"kinds/{reference.slug(rule.name)}" for rule in RULES} <= set(pages)
    for place, (_, module) in reference.MODULES.items():
        assert {*reference.names(place)} <= {*module.__all__}
        for name in reference.names(place):
            shown = f"\n## {name}\n" in pages[place]
            assert shown == bool(api.entry(name, getattr(module, name))), name
    assert "## train\n" in pages["python"]
    assert "--max-corrupt" in pages["commands/train"]
    assert all(f"`{name}`" in pages["formats"] for name in PROFILES)
    for page in ("commands/index", "kinds/index", "index"):
        assert "toctree" in pages[page]
    assert fullrank.__doc__ is not None
    assert fullrank.__doc__.splitlines()[0] in pages["python"]


@pytest.mark.parametrize("place", ["", *reference.MODULES])
def test_what_takes_arguments_says_what_each_is(place: str) -> None:
    module, names = (reference.MODULES[place][1], reference.names(place)) if place else (fullrank, fullrank.__all__)
    takes = {name: getattr(module, name) for name in names if api.entry(name, getattr(module, name))}
    assert [name for name, one in takes.items() if not _is_described(one)] == []


def _is_described(one: Any) -> bool:
    """Whether each argument is, by a section or, in a record of flags, by itself; groups of flags describe theirs."""
    try:
        taken = inspect.signature(one).parameters
    except ValueError:  # a class that C made
        return True
    text = inspect.getdoc(one) or ""
    alone = {name for name, argument in taken.items() if not is_dataclass(argument.default)} <= {*api.described(one)}
    return alone or "Args:\n" in text or "Attributes:\n" in text


@dataclass(frozen=True)
class Mine:
    """Do a new thing."""

    depth: int = 7
    """How deep it goes."""


def test_a_command_that_is_added_appears_with_its_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("fullrank.commands.mine")
    monkeypatch.setattr(module, "run", lambda rest: parse(Mine, rest, "mine"), raising=False)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(cli, "COMMANDS", (*COMMANDS, "mine"))
    page = reference.command("mine")
    assert page.startswith("# fullrank mine\n")
    assert all(part in page for part in ("Do a new thing.", "--depth", "How deep it goes.", "7"))


def test_a_finding_that_is_added_appears_with_its_thresholds_causes_and_remedies() -> None:
    added = replace(next(rule for rule in RULES if rule.name == "hubs"), name="a new finding")
    page = reference.kind(added)
    assert page.startswith("# A new finding\n")
    assert "`hub_excess` above 3 is a warning, if `hub_skewness` is above 2 and `zero_rows` is below" in page
    assert "| popular items | the hubs are the most frequent ones | recommender |" in page
    assert "Center the embeddings before they are compared:\n\n```text\nz = z - z.mean(0)\n```" in page


def test_a_metric_that_is_added_appears(monkeypatch: pytest.MonkeyPatch) -> None:
    def mine(z: float, *, power: float = 2.0) -> float:
        """Nothing of `z`, in [0, 1].

        Args:
            z: A number
                of any size.

        >>> 2 + 2
        4
        """
        return float(z**power)

    monkeypatch.setattr(metrics, "mine", mine, raising=False)
    monkeypatch.setattr(metrics, "__all__", [*metrics.__all__, "mine"])
    page = api.page("Metrics", metrics, metrics.__all__)
    head = "## mine\n\n```python\nmine(z: float, *, power: float = 2.0) -> float\n```\n\nNothing of `z`, in "
    assert f"{head}\\[0, 1\\].\n\n**Args**\n\n- `z`: A number of any size.\n\n```pycon\n>>> 2 + 2\n4\n```" in page


def test_a_page_keeps_its_links(tmp_path: Path) -> None:
    root, docs = assemble.ROOT, assemble.ROOT / "docs"
    places = {docs / "data.md": "data", root / "CHANGELOG.md": "CHANGELOG"}
    page = tmp_path / "page.md"
    page.write_text(
        f"[`a` page]({docs}/data.md#folders) [log]({root}/CHANGELOG.md)\n[file]({docs}/comparison.schema.json) "
        f"[code]({root}/fullrank/cli.py) [far](https://x.y) [here](#below)\n```\n[a](none.md)\n```\n"
    )
    assert assemble.moved(page, "how/page", places, tmp_path / "out") == (
        "[`a` page](../data.md#folders) [log](../CHANGELOG.md)\n[file](../comparison.schema.json) "
        "code [far](https://x.y) [here](#below)\n```\n[a](none.md)\n```\n"
    )
    assert (tmp_path / "out" / "comparison.schema.json").is_file()


@pytest.mark.slow
def test_sphinx_builds_it_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "docs.build.site", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=assemble.ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "site" / "reference" / "kinds" / "hubs.html").is_file()
