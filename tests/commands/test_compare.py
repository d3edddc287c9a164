"""`fullrank compare` from outside: the gate, its limits, and the exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import fullrank
from fullrank.cli import main
from tests.cli.test_errors import sentence

ROWS = ("--expect", "same-rows")
DECAY = np.arange(1, 9) ** 0.4


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Old embeddings, better and worse ones of the same rows, and the report of the old ones."""
    monkeypatch.chdir(tmp_path)
    z = np.random.default_rng(0).normal(size=(300, 8))
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(8, 8)))[0]
    for name, values in (
        ("old", z / DECAY),
        ("new", 2 * z / DECAY),
        ("worse", z / DECAY**1.6),
        ("better", z),
        ("turned", z / DECAY @ turn),
        ("noise", np.random.default_rng(2).normal(size=z.shape)),
        ("permuted", z[::-1] / DECAY),
        ("fewer", np.random.default_rng(3).normal(size=(200, 8)) / DECAY),
        ("drifted", np.random.default_rng(3).normal(size=(200, 8)) / DECAY + 0.4),
    ):
        np.save(f"{name}.npy", values.astype(np.float32))


@pytest.mark.parametrize(
    ("new", "flags", "code", "word"),
    [
        ("new", [], 0, "The same"),
        ("turned", [], 0, "The same"),
        ("noise", [], 1, "Different"),
        ("permuted", [], 1, "Different"),
        ("permuted", ["--expect", "same-distribution"], 0, "The same"),
        ("fewer", [], 0, "The same"),
        ("drifted", [], 1, "Different"),
        ("worse", [], 1, "Different"),
        ("worse", [*ROWS], 1, "Regressed"),
        ("better", [*ROWS], 0, "Better"),
        ("worse", [*ROWS, "--max-drop", "effective_rank=90%"], 0, "The same"),
        (
            "worse",
            [*ROWS, "--max-rise", "stable_rank=1", "--max-drop", "effective_rank=90%", "mean_cosine=1"],
            0,
            "The same",
        ),
        ("better", [*ROWS, "--max-rise", "effective_rank=0.1"], 1, "Regressed"),
    ],
)
@pytest.mark.slow
def test_the_gate(new: str, flags: list[str], code: int, word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "old.npy", f"{new}.npy", *flags]) == code
    said = capsys.readouterr().out
    assert f"\n{word}" in said
    assert ("CKA" in said) != ("MMD" in said and "Not checked: correspondence" in said)


@pytest.mark.slow
def test_a_limit_at_the_value_is_undecided(capsys: pytest.CaptureFixture[str]) -> None:
    main(["compare", "old.npy", "worse.npy", *ROWS, "--json", "c.json"])
    change = next(row for row in json.loads(Path("c.json").read_text())["changes"] if row["name"] == "effective_rank")
    limit = f"effective_rank={-change['difference']}"
    assert main(["compare", "old.npy", "worse.npy", *ROWS, "--max-drop", limit, "--junit", "c.xml"]) == 3
    assert "Undecided" in capsys.readouterr().out
    assert ElementTree.parse("c.xml").getroot().attrib["errors"] == "2"


@pytest.mark.slow
def test_an_old_report_is_enough(capsys: pytest.CaptureFixture[str]) -> None:
    main(["diagnose", "old.npy", "--json", "old.json", "--no-report"])
    capsys.readouterr()
    assert main(["compare", "old.json", "worse.npy", "--json", "-"]) == 1
    said = capsys.readouterr()
    content = json.loads(said.out)
    assert (content["outcome"], content["paired"], content["checks"]) == ("regressed", False, [])
    assert {one["question"] for one in content["unasked"]} >= {"correspondence", "structure", "distribution"}
    assert "old.npy" in said.err


@pytest.mark.slow
def test_a_report_of_version_0_1_0_is_read_under_the_names_of_today(capsys: pytest.CaptureFixture[str]) -> None:
    main(["diagnose", "old.npy", "--json", "today.json", "--no-report"])
    old = Path("today.json").read_text(encoding="utf-8").replace('"dimension_std"', '"std"')
    assert '"std"' in old
    Path("old.json").write_text(old, encoding="utf-8")
    main(["compare", "old.json", "new.npy", "--json", "c.json"])
    assert "dimension_std" in {change["name"] for change in json.loads(Path("c.json").read_text())["changes"]}


def test_embeddings_in_json_are_no_report() -> None:
    for name in ("old", "permuted"):
        Path(f"{name}.json").write_text(json.dumps(np.load(f"{name}.npy").tolist()), encoding="utf-8")
    Path("named.json").write_text(json.dumps({"rows": np.load("old.npy").tolist()}), encoding="utf-8")
    assert main(["compare", "old.json", "named.json"]) == 0
    assert main(["compare", "old.npy", "permuted.json"]) == 1


@pytest.mark.slow
def test_the_page_has_both_verdicts_and_the_gate(capsys: pytest.CaptureFixture[str]) -> None:
    main(["diagnose", "old.npy", "--profile", "text", "--json", "old.json", "--no-report"])
    assert main(["compare", "old.json", "worse.npy", "--json", "c.json", "--html", "c.html"]) == 1
    assert capsys.readouterr().out.endswith("Report: c.html\n")
    content, page = json.loads(Path("c.json").read_text()), Path("c.html").read_text()
    assert content["new"]["sentence"] in page
    assert "Regressed" in page
    assert len(content["old"]["spectrum"]) == len(content["new"]["spectrum"]) == 8


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["old.npy", "none.npy"], "There is no file none.npy"),
        (["none.json", "old.npy"], "There is no file none.json"),
        (["bad.json", "old.npy"], "is not a report of version 1"),
        (
            ["lost.json", "old.npy"],
            "lost.json is a damaged report (NaN is not a finite number): let `fullrank diagnose` write it again.",
        ),
        (["old.npy", "lost.json"], "lost.json is a damaged report"),
        (["deep.json", "old.npy"], "deep.json is not JSON"),
        (["old.npy", "new.npy", "--max-drop", "effective_rank"], "write it as effective_rank=10%"),
        (["old.npy", "new.npy", "--max-drop", "effektive_rank=1"], "did you mean effective_rank"),
        (["old.npy", "new.npy", "--max-rise", "mean_cosine=x"], "pass a number such as 0.05"),
        (["old.npy", "fewer.npy", *ROWS], "There are 300 and 200 rows, which cannot be same-rows"),
        (["text.json", "new.npy", *ROWS], "A report keeps no rows"),
        (["old.npy", "new.npy", "--profile", "recs"], "did you mean recsys"),
        (["text.json", "text.json", "--groups", "g.txt"], "--groups changes no report.json"),
        (
            ["new.npy", "text.json", "--groups", "g.txt", "--new-groups", "h.txt"],
            "--new-groups changes no report.json, as text.json is: leave it out.",
        ),
        (["text.json", "new.npy", "--profile", "bio"], "judged as bio and as text"),
        (["figure.json", "new.npy"], "is not a report of version 1"),
        (["old.npy", "new.npy", "--html", "no/where.html"], "name a file, in a folder that exists"),
        (["old.npy", "new.npy", "--json", "c.json", "--html", "new.npy"], "new.npy exists and is not a page"),
        (["said", "new.npy"], "said/report.json is a report of `fullrank diagnose` and holds no embeddings: pass it"),
    ],
)
def test_bad_input_is_one_sentence(arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.json").write_text('{"schema": 1, "measurements": [{"name": 1}]}')
    Path("deep.json").write_text("[" * 100_000)
    content = fullrank.diagnose(np.load("old.npy"), profile="text").to_json()
    Path("text.json").write_text(json.dumps(content))
    Path("lost.json").write_text(json.dumps(content | {"n": float("nan")}))
    Path("said").mkdir()
    Path("said/report.json").write_text(json.dumps(content))
    Path("figure.json").write_text(json.dumps(content | {"figures": {"spectrum": {"eigenvalue": ["x"]}}}))
    assert expected in sentence(["compare", *arguments], capsys)
