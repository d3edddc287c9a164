from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fullrank.report.draw.lines import Line, panel
from fullrank.report.runs.next_steps import next_steps
from fullrank.report.runs.tables import answer, card, comparison
from fullrank.runs.run import read_run
from tests.report.run_folders import write_run


def changed(run: Path, **changes: Any) -> Path:
    result = json.loads((run / "result.json").read_text())
    (run / "result.json").write_text(json.dumps(result | changes))
    return run


@pytest.mark.parametrize(
    ("kind", "collapsed", "words"),
    [
        ("dimensional", True, "Collapsed: dimensional"),
        ("dimensional", False, "Degraded: dimensional"),
        ("complete", False, "Degraded: complete"),
        ("healthy", False, "Healthy"),
    ],
)
def test_a_verdict_of_version_0_1_0_is_said_in_the_words_of_today(
    tmp_path: Path, kind: str, collapsed: bool, words: str
) -> None:
    verdict = {"kind": kind, "collapsed": collapsed, "sentence": "So it is."}
    assert card(read_run(changed(write_run(tmp_path / "run"), verdict=verdict)), "run").words == words


def test_a_run_that_was_not_evaluated_shows_the_accuracy_among_its_probe_images(tmp_path: Path) -> None:
    facts = dict(card(read_run(changed(write_run(tmp_path / "run"), knn=None, linear=None)), "run").facts)
    assert facts["kNN accuracy among the probe images"] == "68.0 %"
    assert "kNN accuracy" not in facts
    assert "–" not in facts.values()  # what was not measured, such as the untrained network, is left out


@pytest.mark.parametrize(("steps", "first"), [(200, "Train for longer"), (2000, "Spread")])
def test_a_degraded_run_that_is_at_its_first_steps_is_told_to_train_for_longer(
    tmp_path: Path, steps: int, first: str
) -> None:
    found = {"sentence": "few", "why": "", "causes": [], "remedies": [{"text": "spread", "code": "--w2 0.5"}]}
    verdict = {"state": "degraded", "kind": "dimensional", "sentence": "So it is.", "findings": [found, found]}
    changed(write_run(tmp_path / "run"), verdict=verdict)
    with (tmp_path / "run" / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"kind": "train", "step": steps, "loss": 1.0, "terms": {}}) + "\n")
    run = read_run(tmp_path / "run")
    one, other = next_steps(run, "run").findings
    assert one.remedies[0][0].startswith(first)
    assert other.remedies[0][0] == "Spread."  # it is said once
    assert answer([run], ["run"]) == "run: Degraded: dimensional"


@pytest.mark.parametrize(
    ("reading", "network", "cores", "said"),
    [
        (800.0, 5300.0, 8, "--workers 8 uses all cores"),
        (800.0, 5300.0, 2, "files no larger than twice the --image-size"),
        (800.0, 300.0, 8, "The network was slower (300) than reading (800)"),
        (None, 300.0, 8, "all of them in memory"),
        (800.0, None, 8, "It took 290 images/s."),
    ],
)
def test_the_page_names_the_slower_of_reading_and_network_with_what_to_do(
    tmp_path: Path, reading: float | None, network: float | None, cores: int, said: str
) -> None:
    rates = {"all": 290.0, "reading": reading, "network": network, "workers": 2, "cores": cores}
    run = read_run(changed(write_run(tmp_path / "run"), images_per_second=rates))
    assert said in next_steps(run, "run").speed
    rows = {row.name: row.cells for row in comparison([run])}
    assert rows["images per second"] == ["290"]
    assert ("images per second, reading" in rows) == (reading is not None)
    assert ("images per second, network" in rows) == (network is not None)


def test_dead_dimensions_are_a_share(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    collapse = json.loads((run / "result.json").read_text())["collapse"]
    collapse["backbone"]["dead_dimensions"] = 0.045
    rows = {row.name: row.cells for row in comparison([read_run(changed(run, collapse=collapse))])}
    assert rows["dead dimensions, backbone"] == ["4.5 %"]


def test_ticks_of_small_values_can_be_told_apart() -> None:
    line = Line(np.arange(5.0), np.linspace(7e-5, 3e-4, 5), run=0)
    drawn = panel("loss", "term", "value", [line])
    assert drawn is not None
    assert "0.0002" in str(drawn.svg)
    assert ">0.00<" not in str(drawn.svg)


def test_separability_and_the_scores_of_the_features_that_entered_the_loss(tmp_path: Path) -> None:
    new = changed(
        write_run(tmp_path / "new"),
        separability={"between": 0.5, "within": 0.25, "ratio": 2.0, "silhouette": None, "classes": 4},
        sub_vector={"features": 90, "of": 512, "knn": 0.625, "linear": 0.75},
    )
    rows = {row.name: row.cells for row in comparison([read_run(new), read_run(write_run(tmp_path / "old"))])}
    assert rows["kNN accuracy, loss's features alone"] == ["62.5 % (90 of 512)", "–"]
    assert rows["linear accuracy, loss's features alone"] == ["75.0 % (90 of 512)", "–"]
    assert rows["distance between classes"] == ["0.500", "–"]
    assert rows["distance within classes"] == ["0.250", "–"]
    assert rows["distance between / within"] == ["2.000", "–"]
    assert "silhouette of the classes" not in rows  # no run has it


@pytest.mark.parametrize(
    ("settings", "flag"),
    [({"steps": 1_234_567}, "--steps 2469134"), ({"steps": 5}, "--steps 200"), ({"epochs": 0.5}, "--epochs 2")],
)
def test_an_early_run_is_told_to_train_for_twice_as_long(tmp_path: Path, settings: dict[str, Any], flag: str) -> None:
    verdict = {"kind": "healthy", "collapsed": False, "state": "early", "sentence": "It is too early to judge."}
    folder = changed(write_run(tmp_path / "run"), verdict=verdict)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"settings": settings}))
    said = dict(next_steps(read_run(folder), "run").commands)
    assert said["Train for longer."].endswith(f" {flag}")


def test_the_card_shows_the_number_that_the_sentence_of_a_verdict_names(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run"))
    said = ("backbone: directions, by singular values", f"{run.collapse('backbone')['rankme_centered']:.1f} of 48")
    assert said in card(run, "run").facts


def test_accuracies_are_compared_where_they_are_of_the_same_images(tmp_path: Path) -> None:
    """Runs of one data set may have been scored on another, and an unfinished one is on its probe images."""
    one, other, none = (write_run(tmp_path / name, decay=decay) for name, decay in (("a", 0.03), ("b", 0.02), ("c", 0)))
    changed(one, scored_on="400 test images")
    changed(none, knn=None, linear=None, scored_on="")

    def compared() -> tuple[str, list[list[int]]]:
        runs = [read_run(run) for run in (one, other, none)]
        best = [[*row.best] for row in comparison(runs) if row.name in ("kNN accuracy", "linear accuracy, test")]
        return answer(runs, ["a", "b", "c"]), best

    changed(other, scored_on="400 test images")
    said, best = compared()
    assert said.endswith("The best kNN accuracy is 69.0 %, by b.")
    assert best == [[1], [1]]
    changed(other, scored_on="10 test images of other")
    for _ in range(2):
        said, best = compared()
        assert said.endswith("They were scored on different data, so their accuracies are not compared.")
        assert best == [[], []]
        (other / "result.json").unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("images", "same"), [(("a", "b"), False), (("a", "a"), True), ((None, "b"), True), (("a", None, "b"), False)]
)
def test_data_of_one_name_are_told_apart_by_their_images(
    images: tuple[str | None, ...], same: bool, tmp_path: Path
) -> None:
    """A result of version 0.2.0 has no hash of them, and is compared by the name."""
    folders = [write_run(tmp_path / str(at), decay=0.01 * at) for at in range(len(images))]
    for folder, each in zip(folders, images, strict=True):
        changed(folder, scored_on="400 test images of photos", scored_images=each)
    runs = [read_run(folder) for folder in folders]
    said = answer(runs, [folder.name for folder in folders])
    assert ("The best kNN accuracy is 71.0 %, by 0." in said) == same
    assert ("They were scored on different data" in said) != same
    assert [*next(row for row in comparison(runs) if row.name == "kNN accuracy").best] == [0] * same


@pytest.mark.parametrize(
    ("settings", "images", "flag"),
    [
        ({"data": "cifar10", "data_root": None}, "cifar10", ""),
        ({"data": "cifar10", "data_root": "/my data"}, "cifar10 --data-root '/my data'", ""),
        ({"data": ["/a", "/b c"], "data_root": None}, "/a '/b c'", ""),
        ({"data": "object:torch.Tensor", "data_root": None}, "IMAGES", " --data IMAGES"),
        ({}, "IMAGES", ""),  # of version 0.1.0
    ],
)
def test_commands_name_images_that_they_find(tmp_path: Path, settings: Any, images: str, flag: str) -> None:
    folder = write_run(tmp_path / "run")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"settings": {"epochs": 2, **settings}}))

    def said() -> dict[str, str]:
        return dict(next_steps(read_run(folder), "run").commands)

    changed(folder, knn=None)
    assert said()["Use it: vectors of images, with names and labels."] == (
        f"fullrank embed {folder} {images} --out z.npy"
    )
    assert said()["Score it on labeled images."] == f"fullrank evaluate {folder}{flag}"
    changed(folder, verdict={"kind": "healthy", "collapsed": False, "state": "early", "sentence": "It is too early."})
    assert said()["Train for longer."] == f"fullrank train intl --like {folder}{flag} --epochs 4"
    (folder / "result.json").unlink()
    python = f"fullrank.resume({str(folder)!r}, data=IMAGES)"
    assert [*said().values()] == [python if flag else f"fullrank train --resume {folder}"]
