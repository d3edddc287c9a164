"""The model card of an encoder, README.md in the layout of the Hugging Face Hub: data, recipe, numbers, diagnosis."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fullrank.errors import printable

_FRONT = """\
---
library_name: {library}
pipeline_tag: image-feature-extraction
tags:{tags}
- fullrank
---
"""
_UNLABELED = "An image encoder that was trained without labels by FullRank."


def model_card(*, about: Mapping[str, Any], config: Mapping[str, Any], result: Mapping[str, Any], use: str) -> str:
    """The text of README.md, from what an export notes, and from a run's config.json and result.json, or nothing.

    >>> about = {"format": "onnx", "name": "tiny", "image_size": 32, "channels": 3, "width": 512, "mean": (0.5,) * 3,
    ...     "std": (0.2,) * 3, "recipe": "intl", "versions": {"torch": "2.9"}, "stem": "small"}
    >>> print(model_card(about=about, config={}, result={}, use="...").splitlines()[8])
    # tiny, trained by intl
    """
    by, how = _origin(about, config)
    tags = "\n- self-supervised" if how == _UNLABELED else ""
    front = _FRONT.format(library=_library(str(about["format"])), tags=tags)
    parts = [front, f"# {printable(about['name'])}, {printable(by)}", "", how, "", *_input(about), "", "## Use", ""]
    parts += [f"```{'yaml' if about['format'] == 'detectron2' else 'python'}", use.rstrip(), "```", ""]
    parts += [*_training(config), *_numbers(result), *_versions(about)]
    return printable("\n".join(parts), lines=True).rstrip() + "\n"


def _origin(about: Mapping[str, Any], config: Mapping[str, Any]) -> tuple[str, str]:
    """What made the weights, and how; only the files of FullRank's own trainings name the versions that trained them.

    >>> _origin({"recipe": "timm:resnet18.a1_in1k", "versions": {}}, {})
    ('with the weights timm:resnet18.a1_in1k', 'An image encoder that was not trained by FullRank.')
    """
    recipe = about["recipe"] or config.get("recipe")
    if not recipe:
        return "trained by an unknown recipe", "An image encoder whose file does not say how it was trained."
    if recipe == "finetune":
        return "fine-tuned", "An image encoder that was fine-tuned on labels by FullRank."
    if not config and not about["versions"]:
        return f"with the weights {recipe}", "An image encoder that was not trained by FullRank."
    return f"trained by {recipe}", _UNLABELED


def _library(name: str) -> str:
    return {"timm": "timm", "huggingface": "timm", "onnx": "onnx"}.get(name, "pytorch")


def _input(about: Mapping[str, Any]) -> Iterator[str]:
    inside = "normalized in the graph" if about["format"] in ("onnx", "torch-export") else "to be normalized"
    size = about["image_size"]
    yield f"- input: {about['channels']} channels of {size} x {size} px in [0, 1], {inside}"
    yield f"- mean {_values(about['mean'])}, standard deviation {_values(about['std'])}"
    yield f"- output: {about['width']} features"


def _values(values: Any) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _training(config: Mapping[str, Any]) -> Iterator[str]:
    if not config:
        return
    settings = config.get("settings", {})
    data = settings.get("data")
    named = ", ".join(Path(each).name for each in ([data] if isinstance(data, str) else data or ["unknown"]))
    yield from ("## Training", "", f"- data: {printable(named)}", f"- recipe: {printable(config.get('recipe'))}")
    if config.get("preset"):
        yield f"- preset: {printable(config['preset'])}"
    if settings.get("weights"):
        yield f"- begun from the weights {printable(settings['weights'])}"
    shown = {name: value for name, value in settings.items() if name not in ("data", "data_root", "weights")}
    yield from ("", "<details><summary>All settings</summary>", "", "```json")
    yield json.dumps(shown, indent=1, default=str)
    yield from ("```", "", "</details>", "")


def _numbers(result: Mapping[str, Any]) -> Iterator[str]:
    if not result:
        return
    yield from ("## Numbers", "")
    if result.get("knn") is not None:
        scores = f"kNN accuracy {result['knn']:.4f}, linear probe {result['linear']['test']:.4f}"
        yield f"- {scores}: {printable(result.get('scored_on', 'labeled images'))}"
    else:
        yield "- not scored"
    if result.get("probe_knn") is not None:
        yield f"- kNN accuracy among the probe images {result['probe_knn']:.4f}"
    yield from (f"- {result['steps']} steps, seed {result['seed']}", "")
    verdict = result.get("verdict", {})
    if verdict.get("sentence"):
        yield from ("## Diagnosis", "", printable(verdict["sentence"]), "")


def _versions(about: Mapping[str, Any]) -> Iterator[str]:
    if about["versions"]:
        yield from ("## Versions", "", ", ".join(f"{name} {value}" for name, value in about["versions"].items()))
