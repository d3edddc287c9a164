from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from fullrank.cli import main


@pytest.mark.slow
def test_the_demo_ends_with_a_verdict_for_each_run_and_one_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "demo").mkdir(parents=True)  # of an earlier demo, which is left alone
    out = tmp_path / "runs" / "demo-2"
    assert main(["demo", "--steps", "3"]) == 0
    said = capsys.readouterr().out
    settings = []
    for name in ("untrained", "collapsed", "healthy"):
        sentence = json.loads((out / name / "result.json").read_text())["verdict"]["sentence"]
        assert re.search(rf"^{name}: nearest neighbors name .* % of the images\. {re.escape(sentence)}$", said, re.M)
        config = json.loads((out / name / "config.json").read_text())["settings"]
        settings.append({key: config[key] for key in config if key not in ("axis", "iterations", "beta", "teacher")})
    assert settings[1] == settings[2]  # all alike but the objective
    assert settings[0] == {**settings[1], "steps": 1, "lr": 1e-9, "warmup_epochs": settings[0]["warmup_epochs"]}
    assert "Open runs/demo-2/report.html" in said
    assert (out / "report.html").stat().st_size > 50_000
    assert [*(tmp_path / "runs" / "demo").iterdir()] == []
