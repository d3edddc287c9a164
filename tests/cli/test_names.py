"""Names of classes and files that a terminal would obey, that hide text, or that are not text at all."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fullrank.cli import main
from fullrank.report.runs.card import model_card

CLASSES = ("a\x1b[2J\nb\u202e", "<b>&\"'$x^{$", os.fsdecode(b"caf\xe9\x9b"))
FILE = os.fsdecode(b"%d\x1b]0;evil\x07\xff.png")
SHORT = ["--epochs", "1", "--batch-size", "4", "--workers", "0"]
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]")


def photos(folder: Path) -> None:
    """Some images of each class, to train and to test on."""
    random = np.random.default_rng(0)
    for part, count in (("train", 6), ("test", 4)):
        for name in CLASSES:
            (folder / part / name).mkdir(parents=True)
            for at in range(count):
                pixels = random.integers(0, 255, (10, 10, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / part / name / (FILE % at))


@pytest.mark.slow
def test_names_of_any_bytes_go_through_all_commands_and_are_obeyed_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    photos(tmp_path / "photos")
    sizes = ["--image-size", "8", "--batch-size", "4", "--steps", "2", "--projector", "16", "8", "--probe", "12"]
    for arguments in (
        ["train", "vicreg", "--data", "photos", "--backbone", "tiny", *sizes, "--workers", "0", "--out", "run"],
        ["report", "run"],
        ["evaluate", "run"],
        ["evaluate", "run", "--protocol", "ours", *SHORT],
        ["embed", "run", "photos/test", "--out", "z.npy"],
        ["embed", "run", "photos/test", "--out", "y.parquet"],
        ["neighbors", "z.npy", "0", "1", "--out", "n.html"],
        ["export", "run", "--to", "torch-export", "--out", "exported"],
        ["finetune", "run", "--labels", "0.5", "--out", "tuned", *SHORT],
        ["finetune", "run", "--labels", "tuned/labels-0.txt", "--out", "again", *SHORT],
    ):
        code = main(arguments)
        said = capfd.readouterr()
        listed = arguments[-1] == SHORT[-1] and "tuned/labels-0.txt" in arguments
        assert code == (2 if listed else 0), said.err  # a list has one name per line, and a class has a new line in it
        assert not OBEYED.search(said.out + said.err)
    pages = [*tmp_path.rglob("*.html"), *tmp_path.rglob("*.md")]
    assert len(pages) >= 5
    assert not any(OBEYED.search(page.read_text(encoding="utf-8")) for page in pages)


def test_a_model_card_has_no_lines_of_others() -> None:
    """A name cannot begin a heading, a list or the end of the front matter."""
    evil = "x\n---\n# evil\x1b[2J"
    about = {"format": "onnx", "name": evil, "image_size": 8, "channels": 3, "width": 4, "mean": (0.5,), "std": (0.2,)}
    config = {"recipe": evil, "preset": evil, "settings": {"data": evil, "weights": evil, evil: evil}}
    result = {"knn": 0.5, "linear": {"test": 0.5}, "scored_on": evil, "steps": 1, "seed": 0}
    result["verdict"] = {"sentence": evil}
    text = model_card(about=about | {"recipe": evil, "versions": {}}, config=config, result=result, use="...")
    assert "evil" in text
    assert not re.search(r"^# evil", text, re.MULTILINE)
    assert text.count("\n---\n") == 1
    assert "\x1b" not in text
