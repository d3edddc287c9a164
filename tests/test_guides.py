"""The hand-written pages run from top to bottom as they are pasted, and say what the code and the results say."""

from __future__ import annotations

import json
import re
import runpy
import shlex
import subprocess
from pathlib import Path

import pytest

from docs.build.fashion_mnist import RESULTS
from fullrank import recipes
from fullrank.cli import main
from fullrank.metrics import MEASUREMENTS
from tests.test_docs import ROOT, SHORT, blocks

GUIDES = sorted(page for folder in ("start", "how", "explain") for page in (ROOT / "docs" / folder).glob("*.md"))
NAMES = [f"{page.parent.name}/{page.stem}" for page in GUIDES]


def steps(page: Path) -> list[tuple[str, str]]:
    """The blocks of a page that a reader runs, in its order: their language and text."""
    text = page.read_text(encoding="utf-8")
    return re.findall(r"```(python|bash)\n(.*?)```", text, flags=re.DOTALL)


def lines(block: str) -> list[tuple[list[str], int]]:
    """Its commands, each with the exit code that its comment promises."""
    found = []
    for line in block.replace("\\\n", " ").splitlines():
        if words := shlex.split(line, comments=True):
            promised = re.search(r"# exit code (\d+)", line)
            found.append((words, int(promised[1]) if promised else 0))
    return found


def short(words: list[str]) -> list[str]:
    """The words of a training, cut to two small steps."""
    if words[0] != "train" or "--dry-run" in words or "--resume" in words:
        return words
    size = [] if "digits" in words else ["--image-size", "16"]
    return [*words, *SHORT, *size]


def test_there_are_guides() -> None:
    assert len(GUIDES) >= 9


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in GUIDES if steps(page)], ids=lambda page: page.stem)
def test_a_page_runs_from_top_to_bottom(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one empty folder; of what a launcher starts, the command alone."""
    monkeypatch.chdir(tmp_path)
    for number, (language, text) in enumerate(steps(page)):
        if language == "python":
            Path(f"block_{number}.py").write_text(text)
            runpy.run_path(f"block_{number}.py", run_name="example")
            continue
        for words, promised in lines(text):
            if words[0] == "torchrun":
                words = words[words.index("fullrank") :]
            assert words[0] == "fullrank", words
            early = words[1] == "diagnose" and Path(words[2]).is_dir()  # a training that was cut has no verdict yet
            assert main(short(words[1:])) in ({promised, 3} if early else {promised}), words


@pytest.mark.parametrize("page", GUIDES, ids=NAMES)
def test_a_page_is_short(page: Path) -> None:
    assert page.read_text(encoding="utf-8").count("\n") < 200


@pytest.mark.parametrize("page", GUIDES, ids=NAMES)
def test_scripts_are_bash(page: Path) -> None:
    for script in blocks(page.read_text(encoding="utf-8"), "sh"):
        assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0, script


def test_a_promised_exit_code_is_read() -> None:
    assert lines("fullrank diagnose a.npy  # exit code 1: collapsed\nfullrank recipes\n") == [
        (["fullrank", "diagnose", "a.npy"], 1),
        (["fullrank", "recipes"], 0),
    ]


def test_the_verdicts_on_the_papers_are_those_of_the_gallery() -> None:
    said = (ROOT / "docs" / "explain" / "papers.md").read_text(encoding="utf-8").replace("\n", " ")
    gallery = (ROOT / "docs" / "papers.md").read_text(encoding="utf-8")
    verdicts = dict(re.findall(r"^\| `(\w+/[\w-]+)` \| .*?\| \*\*(.+?)\*\* \|", gallery, re.M))
    quoted = re.findall(r"`(\w+/[\w-]+)`: (\w+)", said)
    assert len(quoted) >= 14
    assert [(name, verdict) for name, verdict in quoted if verdicts[name] != verdict] == []
    assert set(re.findall(r"`((?:w2|intl|corinfomax|directclr|hsr)/[\w-]+)`", said)) <= set(verdicts)


def test_what_a_metric_cannot_see_is_what_its_record_declares() -> None:
    text = (ROOT / "docs" / "explain" / "ranks.md").read_text(encoding="utf-8")
    columns = ("complete", "cone", "dimensional", "cluster", "dead", "duplicate")
    said = {
        name: {column for column, cell in zip(columns, cells.split(" | "), strict=True) if cell == "–"}
        for name, cells in re.findall(r"^\| `(\w+)` \| ((?:(?:sees|–)(?: \| )?){6}) \|$", text, re.M)
    }
    assert said == {metric.name: metric.blind_to for metric in MEASUREMENTS if metric.blind_to is not None}


def families(text: str) -> dict[str, set[str]]:
    """The recipes of each family, by a table whose first two columns are those."""
    rows = re.findall(r"^\| ([a-z -]+) \| ((?:`\w+`(?:, )?)+) \|", text, re.M)
    return {family: set(re.findall(r"`(\w+)`", named)) for family, named in rows}


def test_every_recipe_stands_in_its_family() -> None:
    declared: dict[str, set[str]] = {}
    for name in recipes.names():
        declared.setdefault(recipes.load(name).family, set()).add(name)
    assert declared.pop("control") == {"invariance"}
    for page in ("explain/collapse.md", "how/choose.md"):
        assert families((ROOT / "docs" / page).read_text(encoding="utf-8")) == declared, page


def test_minutes_of_a_family_are_those_of_the_result_files() -> None:
    text = (ROOT / "docs" / "how" / "choose.md").read_text(encoding="utf-8")
    said = dict(re.findall(r"^\| ([a-z -]+) \| `.*?\| (\d[\d.]* to [\d.]+) \|", text, re.M))
    assert said.keys() == families(text).keys()
    for family, members in families(text).items():
        results = (json.loads((RESULTS / f"{name}-4.json").read_text(encoding="utf-8")) for name in members)
        minutes = sorted(result["seconds"]["train"] / 60 for result in results)
        assert said[family] == f"{minutes[0]:.1f} to {minutes[-1]:.1f}", family
