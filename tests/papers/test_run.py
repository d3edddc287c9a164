"""Running experiments: what is left behind, being interrupted, and every error in one sentence."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fullrank.cli import main
from fullrank.commands import paper
from fullrank.errors import UserError
from fullrank.papers import Entry, Experiment, Outcome, Panel, Series, Settings
from fullrank.papers.kit.parts import POINTS, Part, Table

NAN = float("nan")


def outcome(settings: Settings) -> Outcome:
    settings.progress(1.0)
    line = Series(label="measured", x=(1.0, 2.0, 3.0), y=(1.0, NAN, 1 / 3))
    expected = Series(label="closed form", x=(1.0, 3.0), y=(1.0, 1.0), style="expected")
    panel = Panel(title="rank", x_label="step", y_label="dimensions", series=(line, expected), log_x=True)
    row: dict[str, str | float] = {
        "data": settings.data,
        "seeds": float(settings.seeds),
        "steps": float(settings.steps or 0),
    }
    rows = tuple({**row, "seed": float(seed)} for seed in range(settings.seeds))
    return Outcome(measured="The rank is 1.", panels=(panel,), rows=rows)


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
        data=data, trainings=2 if data else 0, parts=(Part(says="seeds", effect=seen, margin=POINTS, source="ours"),),
    )  # fmt: skip


def seen(table: Table) -> list[float]:
    """One for every seed, and a little more."""
    return [1 + float(row["seed"] or 0) / 1e6 for row in table.rows]


@pytest.fixture
def stopping(monkeypatch: pytest.MonkeyPatch) -> Stopping:
    """Four experiments stand in for the real ones: toy/plain, toy/stopping, toy/trained and toy/whole."""
    stopping = Stopping()
    found = {
        "toy/plain": experiment("toy/plain", outcome),
        "toy/stopping": experiment("toy/stopping", stopping),
        "toy/trained": experiment("toy/trained", outcome, "digits"),
        "toy/whole": replace(experiment("toy/whole", outcome), full=""),
    }
    entries = {
        name: Entry(
            name=name, paper=one.paper, title=one.title, claim=one.claim, minutes=one.minutes,
            full=one.full, data=one.data, trainings=one.trainings, module="",
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
    assert (
        main(["paper", "toy/trained", "--out", str(out), "--seeds", "2", "--data", "fashion-mnist", "--steps", "9"])
        == 0
    )
    result = json.loads((out / "result.json").read_text(encoding="utf-8"))
    assert result["command"] == f"fullrank paper toy/trained --out {out} --seeds 2 --data fashion-mnist --steps 9"
    assert result["verdict"] == "held"
    assert result["rows"] == [{"data": "fashion-mnist", "seeds": 2.0, "steps": 9.0, "seed": seed} for seed in (0, 1)]
    assert (result["steps"], "image_size" in result) == (9, False)
    assert (result["seeds"], result["data"], result["parts"][0]["seeds"]) == ([0, 1], "fashion-mnist", 2)
    assert result["panels"][0]["series"][0]["y"] == [1.0, None, 0.333333]
    assert {"seconds", "cpu_seconds", "versions", "claim", "measured", "paper"} <= set(result)
    figure = (out / "figure.svg").read_text(encoding="utf-8")
    assert figure.startswith("<svg xmlns=")
    assert "closed form" in figure
    said = capsys.readouterr().out
    assert "toy/trained: held: seeds (1 points [1, 1], margin 0.5, 2 seeds; ours). The rank is 1." in said
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
    assert "4 claims tested: 4 held." in page
    assert "index.html" in capsys.readouterr().out


@pytest.mark.usefixtures("stopping")
@pytest.mark.parametrize("flag", [("--data", "digits"), ("--steps", "900")])
def test_with_data_or_steps_all_runs_what_can_use_it(flag: tuple[str, str], tmp_path: Path) -> None:
    assert main(["paper", "--all", *flag, "--out", str(tmp_path)]) == 0
    assert [path.parent.name for path in tmp_path.glob("toy/*/result.json")] == ["trained"]


@pytest.mark.usefixtures("stopping")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["toy/plain"], "pass --out"),
        (["--all"], "pass --out"),
        (["toy/plain", "--all", "--out", "OUT"], "Pass toy/plain or --all, not both"),
        (["toy/plain", "--published"], "Pass toy/plain or --published, not both"),
        (["--judge", "OUT", "--all"], "Pass --judge or --all, not both"),
        (["toy/whole", "--out", "OUT", "--full"], "toy/whole has its full size already: leave --full away"),
        (["toy/plain", "--out", "OUT", "--seeds", "0"], "pass 1 or more"),
        (["toy/plain", "--out", "OUT", "--seed-from", "-1"], "0 or more"),
        (["--judge", "OUT"], "no result.json"),
        (["--judge", "OUT", "--steps", "3"], "--steps is for running experiments: leave it away with --judge"),
        (["--published", "--download"], "--download is for running experiments: leave it away with --published"),
        (["--seeds", "3"], "--seeds is for running experiments: pass the name of an experiment, or --all"),
        (["toy/plain", "--out", "OUT", "--data-root", "OUT"], "leave --data-root away"),
        (["toy/plain", "--out", "OUT", "--data", "digits"], "leave --data away"),
        (["toy/plain", "--out", "OUT", "--image-size", "32"], "leave --image-size away"),
        (["toy/trained", "--out", "OUT", "--steps", "0"], "pass 1 or more"),
        (["toy/trained", "--out", "OUT", "--full", "--seeds", "2"], "is 4 trainings of ResNet-18, about 1 GPU hours"),
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


@pytest.mark.usefixtures("stopping")
@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("", 2)])
def test_a_full_experiment_asks_before_it_starts_on_a_cpu(
    answer: str, code: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[str] = []

    def answered(words: str) -> str:
        asked.append(words)
        return answer

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", answered)
    assert main(["paper", "toy/trained", "--full", "--out", str(tmp_path / "out")]) == code
    assert [words.endswith("which takes weeks? [y/N] ") for words in asked] == [True]
    assert (tmp_path / "out").exists() is (code == 0)


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
    assert main(["paper", "toy/stopping", "--out", str(begun), "--seed-from", "5"]) == 2
    assert "other settings" in capsys.readouterr().err
    assert main(["paper", "toy/stopping", "--out", str(begun)]) == 0
    assert main(["paper", "toy/stopping", "--out", str(begun)]) == 2
    assert "finished experiment: pass more --seeds" in capsys.readouterr().err
    assert main(["paper", "toy/plain", "--out", str(begun), "--seeds", "20"]) == 2
    assert "other settings" in capsys.readouterr().err
    (begun / "config.json").unlink()  # as published results are
    assert main(["paper", "toy/stopping", "--out", str(begun), "--seeds", "20"]) == 2
    assert "finished experiment: pass another --out" in capsys.readouterr().err


@pytest.mark.usefixtures("stopping")
def test_seeds_of_other_images_are_not_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        np.savez(tmp_path / place / "made.npz", images=np.zeros((4, 8, 8), np.uint8))
    again = ["paper", "toy/trained", "--out", str(tmp_path / "out"), "--data", "made.npz", "--seeds"]
    monkeypatch.chdir(tmp_path / "a")
    assert main([*again, "1"]) == 0
    monkeypatch.chdir(tmp_path / "b")
    assert main([*again, "2"]) == 2
    assert "begun with other settings" in capsys.readouterr().err
    monkeypatch.chdir(tmp_path / "a")
    assert main([*again, "2"]) == 0


def test_the_folder_of_named_sets_is_noted_and_repeated(tmp_path: Path) -> None:
    root, out = tmp_path / "root", tmp_path / "out"
    chosen = paper._begin("toy", Settings(out=out, data="cifar10", data_root=root))
    assert chosen["images_in"] == str(root)
    with pytest.raises(UserError, match="begun with other settings"):
        paper._begin("toy", Settings(out=out, data="cifar10", data_root=tmp_path, seeds=20))
    former = {name: value for name, value in chosen.items() if name != "images_in"}  # did not say it
    (out / "config.json").write_text(json.dumps(former))
    assert paper._begin("toy", Settings(out=out, data="cifar10", data_root=root, seeds=20))["images_in"] == str(root)
    made = experiment("toy", outcome, "cifar10")
    entry = Entry(
        name="toy", paper="", title="", claim="", minutes=0.1, full="", data="cifar10", trainings=2, module=""
    )
    result = paper._result(made, entry, outcome(Settings(out=out)), Settings(out=out, data="cifar10", data_root=root))
    assert result["command"].endswith(f"--data cifar10 --data-root {root}")


def test_more_seeds_are_added_to_a_finished_experiment(stopping: Stopping, tmp_path: Path) -> None:
    out, again = tmp_path / "toy/stopping", ["paper", "toy/stopping", "--out", str(tmp_path / "toy/stopping")]
    stopping.calls = 1
    assert main([*again, "--seeds", "2"]) == 0
    stopping.calls = 0
    assert main([*again, "--seeds", "400"]) == 130
    assert json.loads((out / "result.json").read_text(encoding="utf-8"))["seeds"] == [0, 1]
    assert main([*again, "--seeds", "2"]) == 2
    assert main([*again, "--seeds", "4"]) == 0
    result = json.loads((out / "result.json").read_text(encoding="utf-8"))
    assert [row["seed"] for row in result["rows"]] == result["seeds"] == [0, 1, 2, 3]
    assert result["seconds"] >= 0.3  # of all goes
    assert main(["paper", "--all", "--out", str(tmp_path), "--seeds", "3"]) == 0
    assert stopping.calls == 2


@pytest.mark.usefixtures("stopping")
def test_fresh_seeds_are_in_the_rows_and_in_the_command(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main(["paper", "toy/plain", "--out", str(out), "--seeds", "2", "--seed-from", "1000"]) == 0
    result = json.loads((out / "result.json").read_text(encoding="utf-8"))
    assert [row["seed"] for row in result["rows"]] == result["seeds"] == [1000, 1001]
    assert result["command"].endswith("--seeds 2 --seed-from 1000")


def test_a_result_of_former_words_is_judged_again_from_its_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"cloud": cloud, "seed": seed, "W2": value + seed / 1000, "Wang-Isola": -1.5}
        for cloud, value in (("ring in the plane", 0.1), ("ring in space", 0.6), ("sphere in space", 0.1))
        for seed in range(3)
    ]
    old = {"name": "w2/ring-and-sphere", "verdict": "holds in part", "rows": rows, "measured": "So it is."}
    path = tmp_path / "ring" / "result.json"
    training = tmp_path / "ring" / "runs" / "one" / "seed-0" / "result.json"
    training.parent.mkdir(parents=True)
    training.write_text("{}")
    path.write_text(json.dumps(old), encoding="utf-8")
    assert main(["paper", "--judge", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "w2/ring-and-sphere: held, was holds in part\n"
    new = json.loads(path.read_text(encoding="utf-8"))
    assert [part["label"] for part in new["parts"]] == ["held"] * 3
    assert (new["rows"], new["measured"], new["verdict"]) == (rows, "So it is.", "held")


def test_a_result_whose_rows_lack_a_case_is_not_judged_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps({"name": "hsr/energy", "verdict": "holds", "rows": [{"energy": "weight 0", "seed": 0}]}))
    before = path.read_bytes()
    assert main(["paper", "--judge", str(tmp_path)]) == 2
    assert "The rows have no kNN (%) of weight 10: run the experiment again." in capsys.readouterr().err
    assert path.read_bytes() == before
