"""What a page tells to do next about a run can be pasted, and is about that run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fullrank.errors import command
from fullrank.report.runs.next_steps import next_steps
from fullrank.runs.run import read_run
from tests.report.run_folders import write_run


@pytest.mark.parametrize("data", ["photos", "object:torch.Tensor"])
@pytest.mark.parametrize(
    ("code", "recipe", "flags"),
    [
        ("--w2 0.5", "intl", " --w2 0.5"),
        ("fullrank train simclr --like RUN", "simclr", ""),
        ("fullrank train byol --like RUN --teacher 0.996", "byol", " --teacher 0.996"),
        ("fullrank train byol --teacher 0.996", "byol", " --teacher 0.996"),  # in results of former versions
        ("z = z - z.mean(0)", "", "z = z - z.mean(0)"),
    ],
)
def test_a_remedy_is_tried_on_the_images_of_its_run(
    data: str, code: str, recipe: str, flags: str, tmp_path: Path
) -> None:
    run = write_run(tmp_path / "my  runs", decay=0.3)
    for name, changes in (
        ("config", {"settings": {"data": data}}),
        ("result", {"verdict": {"state": "collapsed", "findings": [{"remedies": [{"text": "so", "code": code}]}]}}),
    ):
        file = run / f"{name}.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    anew = ["--data", "IMAGES"] if data.startswith("object:") else []
    again = command("train", recipe, "--like", run, *anew) if recipe else ""
    assert next_steps(read_run(run), "run").findings[0].remedies == (("So.", again + flags),)
