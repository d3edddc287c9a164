"""What a model card says of where an encoder comes from."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from fullrank.evaluation import export
from fullrank.evaluation.model import Model
from fullrank.nn import SavedEncoder, encoder
from fullrank.nn.exports import About
from fullrank.report.runs.card import model_card
from tests.report.run_folders import write_run

ABOUT: dict[str, Any] = {
    **{"format": "onnx", "name": "tiny", "image_size": 32, "channels": 3, "width": 512, "stem": "small"},
    **{"mean": (0.5,) * 3, "std": (0.2,) * 3, "recipe": "intl", "versions": {"fullrank": "0.2.0"}},
}


@pytest.mark.parametrize(
    ("about", "config", "title", "how"),
    [
        ({}, {}, "# tiny, trained by intl", "that was trained without labels by FullRank."),
        ({"recipe": "finetune"}, {}, "# tiny, fine-tuned", "that was fine-tuned on labels by FullRank."),
        ({"recipe": "timm:a", "versions": {}}, {}, "# tiny, with the weights timm:a", "was not trained by FullRank."),
        ({"recipe": None}, {}, "# tiny, trained by an unknown recipe", "does not say how it was trained."),
        (
            {"recipe": None, "versions": {}},  # a run of version 0.1.0
            {"recipe": "byol"},
            "# tiny, trained by byol",
            "that was trained without labels by FullRank.",
        ),
    ],
)
def test_a_card_says_who_trained_an_encoder_and_how(
    about: dict[str, Any], config: dict[str, Any], title: str, how: str
) -> None:
    lines = model_card(about=ABOUT | about, config=config, result={}, use="...").splitlines()
    assert title in lines
    assert any(line.startswith("An image encoder ") and line.endswith(how) for line in lines)
    assert ("- self-supervised" in lines) == ("without labels" in how)


@pytest.mark.parametrize(
    ("place", "recipe", "of_training"),
    [
        ("run", "intl", True),
        ("run/encoder.safetensors", "intl", True),
        ("run/other.safetensors", "intl", False),
        ("tuned/fine-tuned-0", "finetune", False),
        ("tuned/fine-tuned-0/encoder.safetensors", "finetune", False),
        ("tuned/encoder.safetensors", "finetune", False),
        ("", "intl", False),  # a model that was made from Python
    ],
)
def test_a_card_has_the_numbers_of_the_training_that_made_the_encoder_and_of_nothing_beside_it(
    place: str, recipe: str, of_training: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(write_run(tmp_path / "run"))
    (tmp_path / "tuned" / "fine-tuned-0").mkdir(parents=True)
    for file in ("config.json", "result.json"):
        (tmp_path / "tuned" / file).write_text('{"kind": "finetuning"}')
    saved = SavedEncoder(encoder("tiny", image_size=16), (0.5,) * 3, (0.2,) * 3, recipe=recipe, versions={"a": "1"})
    model = Model(
        **{field.name: getattr(saved, field.name) for field in fields(saved)}, place=place and f"{tmp_path}/{place}"
    )
    card = export._card(model, About.of(model, "onnx"), "...", tmp_path / "out")
    assert [title in card for title in ("## Training", "## Numbers")] == [of_training] * 2
