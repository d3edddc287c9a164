from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_broken_and_hostile_files_are_one_sentence_within_a_memory_cap(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.embeddings.hostile", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert sum(answer["must_fail"] for answer in answers) >= 200
    assert len(answers) >= 350
    for answer in answers:
        if answer["must_fail"]:
            assert answer["answer"] != "ok", answer
        assert answer["answer"] == "ok" or ("\n" not in answer["answer"] and len(answer["answer"]) < 400), answer
    assert [answer["answer"] for answer in answers if answer["name"] == "wide.parquet"] == ["ok"]
    assert not list(tmp_path.rglob("executed"))
    assert not (ROOT / "executed").exists()
