"""Running experiments: what is left behind, being interrupted, and every error in one sentence."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fullrank.cli import main
from fullrank.papers import Entry, Experiment, Outcome, Panel, Series, Settings

NAN = float("nan")


def outcome(settings: Settings) -> Outcome:
    settings.progress(1.0)
    line = Series(label="measured", x=(1.0, 2.0, 3.0), y=(1.0, NAN, 1 / 3))
    expected = Series(label="closed form", x=(1.0, 3.0), y=(1.0, 1.0), style="expected")
    panel = Panel(title="rank", x_label="step", y_label="dimensions", series=(line, expected), log_x=True)
    row: dict[str, str | float] = {"data": settings.data, "seeds": float(settings.seeds), "full": float(settings.full)}
    return Outcome(verdict="holds", measured="The rank is 1.", panels=(panel,), rows=(row,))


class Stopping:
    """An experiment that is interrupted when it runs for the first time."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, settings: Settings) -> Outcome:
        self.calls += 1
        time.sleep(0.1)
        if self.calls == 1:
            raise KeyboardInterrupt
        return outcome(settings)


def experiment(name: str, run: Callable[[Settings], Outcome], data: str = "") -> Experiment:
    return Experiment(
        name=name, paper="We 2024, fig. 1", title="A title", claim="It is so.", minutes=0.1, run=run, full="more",
        data=data,
    )  # fmt: skip


@pytest.fixture
def stopping(monkeypatch: pytest.MonkeyPatch) -> Stopping:
    """Three experiments stand in for the real ones: toy/plain, toy/stopping and toy/trained."""
    stopping = Stopping()
    found = {
        "toy/plain": experiment("toy/plain", outcome),
        "toy/stopping": experiment("toy/stopping", stopping),
        "toy/trained": experiment("toy/trained", outcome, "digits"),
    }
    entries = {
        name: Entry(
            name=name, paper=one.paper, title=one.title, claim=one.claim, minutes=one.minutes,
            full=one.full, data=one.data, module="",
        )
        for name, one in found.items()
    }  # fmt: skip
    monkeypatch.setattr("fullrank.commands.paper.catalog", lambda: entries)
    monkeypatch.setattr("fullrank.commands.paper.load", found.__getitem__)
    return stopping


@pytest.mark.usefixtures("stopping")
@pytest.mark.slow
def test_an_experiment_leaves_result_and_figure_and_says_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["paper", "toy/trained", "--out", str(out), "--seeds", "2", "--full", "--data", "fashion-mnist"]) == 0
    result = json.loads((out / "result.json").read_text(encoding="utf-8"))
    assert result["command"] == f"fullrank paper toy/trained --out {out} --full --seeds 2 --data fashion-mnist"
    assert result["verdict"] == "holds"
    assert result["rows"] == [{"data": "fashion-mnist", "seeds": 2.0, "full": 1.0}]
    assert result["panels"][0]["series"][0]["y"] == [1.0, None, 0.333333]
    assert {"seconds", "cpu_seconds", "versions", "claim", "measured", "paper"} <= set(result)
    figure = (out / "figure.svg").read_text(encoding="utf-8")
    assert figure.startswith("<svg xmlns=")
    assert "closed form" in figure
    said = capsys.readouterr().out
    assert "toy/trained: holds. The rank is 1." in said
    assert "It is so." in said


@pytest.mark.slow
def test_all_goes_on_where_it_stopped(stopping: Stopping, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["paper", "--all", "--out", str(tmp_path)]) == 130
    assert (tmp_path / "toy/plain/result.json").exists()
    assert not (tmp_path / "toy/trained").exists()
    first = (tmp_path / "toy/plain/result.json").stat().st_mtime_ns
    assert main(["paper", "--all", "--out", str(tmp_path)]) == 0
    assert (tmp_path / "toy/plain/result.json").stat().st_mtime_ns == first
    assert stopping.calls == 2
    assert json.loads((tmp_path / "toy/stopping/result.json").read_text())["seconds"] >= 0.2  # of both goes
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "3 claims tested: 3 holds." in page
    assert "index.html" in capsys.readouterr().out


@pytest.mark.usefixtures("stopping")
def test_with_data_all_runs_what_can_use_it(tmp_path: Path) -> None:
    assert main(["paper", "--all", "--data", "digits", "--out", str(tmp_path)]) == 0
    assert [path.parent.name for path in tmp_path.glob("toy/*/result.json")] == ["trained"]


@pytest.mark.usefixtures("stopping")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["toy/plain"], "pass --out"),
        (["--all"], "pass --out"),
        (["toy/plain", "--all", "--out", "OUT"], "not both"),
        (["toy/plain", "--out", "OUT", "--seeds", "0"], "at least 1"),
        (["toy/plain", "--out", "OUT", "--data", "digits"], "leave --data away"),
        (["toy/trained", "--out", "OUT", "--data", "mnist"], "mnist"),
        (["--all", "--out", "OUT", "--data", "mnist"], "mnist"),
    ],
)
def test_errors_are_one_sentence(
    arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "out")
    assert main(["paper", *(out if word == "OUT" else word for word in arguments)]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
    assert not Path(out).exists()


def test_an_unknown_experiment_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["paper", "w2/host", "--out", "nowhere"]) == 2
    assert "did you mean w2/hosts?" in capsys.readouterr().err
    assert not Path("nowhere").exists()


@pytest.mark.usefixtures("stopping")
def test_a_folder_is_never_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert main(["paper", "toy/plain", "--out", str(tmp_path)]) == 2
    assert "exists already" in capsys.readouterr().err
    begun = tmp_path / "begun"
    assert main(["paper", "toy/stopping", "--out", str(begun)]) == 130
    assert main(["paper", "toy/stopping", "--out", str(begun), "--seeds", "5"]) == 2
    assert "other settings" in capsys.readouterr().err
    assert main(["paper", "toy/stopping", "--out", str(begun)]) == 0
    assert main(["paper", "toy/stopping", "--out", str(begun)]) == 2
    assert "finished experiment" in capsys.readouterr().err
