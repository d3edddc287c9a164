"""Writes docs/papers.md from the results of the papers' experiments: `python -m docs.build.papers`."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fullrank.papers import catalog
from fullrank.report.papers.gallery import VERDICTS, effect, said

DOCS = Path(__file__).parents[1]
GRAY, COLOR = DOCS / "results" / "papers", DOCS / "results" / "papers-color"
Results = Mapping[str, Mapping[str, Any]]

# Their accuracies are of training images; what is run from now on takes test images everywhere.
OF_TRAINING_IMAGES = {
    "corinfomax/ablation": 125,
    "corinfomax/no-batch-norm": 125,
    "directclr/projector": 125,
    "w2/hosts": 1000,
}

HEADER = """# The papers' claims, tested

What was read: of Fang et al. (W2) and Jing et al. (DirectCLR) the whole paper and code; of Weng et al. (INTL) and
Ozsoy et al. (CorInfoMax) the abstract and the whole code; of Durrant & Leontidis (HSR-BYOL) abstract and
introduction. Every part of a claim says where it is from: abstract, paper, code, or **ours**, which none of them
says.

`fullrank paper` lists the experiments, `fullrank paper NAME --out DIR` runs one, `fullrank paper --all --out DIR`
all of them into a gallery. The files under [results/papers](results/papers) hold the command, the time, every
number and the curves.

## How to read a verdict

A claim has parts, and the first is its **headline**, which alone decides. Of each part the effect is measured seed
by seed, and paired: both sides share a seed. Beside it stand the 95 % interval of Student's t over the seeds and
the margin that matters.

- **held**: the interval is above zero and the effect at least the margin; **reversed**: the same, the other way
  round.
- **undecided**: everything else, which is what chance gives; "too small to matter" where the whole interval is
  within the margin.
- A part that two things are **level** holds where the interval is within the margin.
- **Exact** parts have no chance in them: they hold in every value to rounding, or the part **fails**.

Where nothing is there, at most 5 % of the verdicts are "held" and 90 % are "undecided"
(`tests/papers/test_chance.py`). Headlines and margins stand beside each experiment and were chosen before anything
that is run from now on; the results below were known then. `fullrank paper --judge DIR` judges results again by
today's parts without training; `--seed-from 1000` runs an experiment with seeds that none of these results has.

An embedding counts as collapsed where its effective rank as a share of its dimensions, times its relative spread,
is below 0.1: a rank has no scale, and a spread does not see a line.

The trainings on images are small: 38,400 images of Fashion-MNIST at 16 x 16 pixels (two thirds of an epoch, 150
steps of 256), the `tiny` encoder, three seeds. They take some 15 seconds of one core each, and cannot tell "false"
from "too short". `--full` trains ResNet-18 for 100 epochs of the images at their own size with `tiny`'s projector,
optimizer and weights, so it is not the paper's setting; no such run is part of this page. The authors' own settings
are presets, and `fullrank paper --published` lists the commands that would reproduce their tables, with hours. What
is shown is measured by FullRank; it is not a reading of the papers' own tables.
"""

THEORY = """## Without images

Closed forms, point clouds and toy networks. They test that formulas and code do what the paper says, in seconds.
"""

TRAINED = """## Trained on images

Gray is Fashion-MNIST. Color will be sprites, with the same commands and `--data`; none of these is run in color
yet, and the column says so. Accuracy is that of neighbors on 5,000 test images, judged by 5,000 others, and what is
run from now on has ridge regression on the same images beside it (DirectCLR's linear probe learns from all training
images). These results are older and judge training images, how many in brackets: {older}; theirs is within two to
four points only.
"""

_HEAD = {
    False: "| experiment | claim | headline | verdict | effect | parts | evidence |\n|---|---|---|---|---|---|---|",
    True: "| experiment | claim | headline | gray | effect in gray | color | parts in gray | evidence |\n"
    "|---|---|---|---|---|---|---|---|",
}


def read(folder: Path) -> dict[str, dict[str, Any]]:
    """Every result by the name of its experiment."""
    paths = sorted(folder.glob("*/*/result.json"))
    return {str(path.parent.relative_to(folder)): json.loads(path.read_text(encoding="utf-8")) for path in paths}


def page() -> str:
    """The whole of docs/papers.md."""
    gray, color = read(GRAY), read(COLOR)
    trained = {name: result for name, result in gray.items() if catalog()[name].data}
    theory = {name: result for name, result in gray.items() if name not in trained}
    older = ", ".join(f"`{name}` ({count:,})" for name, count in OF_TRAINING_IMAGES.items())
    return "\n".join(
        [
            HEADER,
            _summary(gray, theory, trained),
            THEORY,
            _table(theory, color, images=False),
            TRAINED.format(older=older),
            _table(trained, color, images=True),
            "## Part by part\n",
            "The first line of each is the headline.\n",
            *(_parts(name, result) for name, result in gray.items()),
        ]
    )


def _summary(every: Results, theory: Results, trained: Results) -> str:
    hours = sum(result["cpu_seconds"] for result in every.values()) / 3600
    return (
        f"## What came out\n\n- {len(theory)} experiments without images: {_count(theory.values())}.\n"
        f"- {len(trained)} with trainings on images: {_count(trained.values())}.\n"
        f"- Of {sum(len(one['parts']) for one in every.values())} parts: {_count_parts(every.values())}.\n\n"
        f"All took {hours:.1f} hours of one CPU core.\n"
    )


def _count(results: Iterable[Mapping[str, Any]]) -> str:
    return _in_words(Counter(str(result["verdict"]) for result in results))


def _count_parts(results: Iterable[Mapping[str, Any]]) -> str:
    return _in_words(Counter(str(part["label"]) for result in results for part in result["parts"]))


def _in_words(found: Counter[str]) -> str:
    return ", ".join(f"{found[label]} {label}" for label in VERDICTS if found[label])


def _table(results: Results, color: Results, *, images: bool) -> str:
    lines = [_HEAD[images]]
    for name, result in results.items():
        headline = result["parts"][0]
        cells = [f"`{name}`", result["claim"], f"{headline['says']} ({headline['source']})", f"**{result['verdict']}**"]
        cells.append(effect(headline))
        if images:
            cells.append(
                f"**{color[name]['verdict']}**, {effect(color[name]['parts'][0])}" if name in color else "not run"
            )
        place = f"results/papers/{name}"
        cells += [_count_parts([result]), f"[figure]({place}/figure.svg), [numbers]({place}/result.json)"]
        lines.append(f"| {' | '.join(_cell(one) for one in cells)} |")
    return "\n".join(lines) + "\n"


def _colored(result: Mapping[str, Any]) -> str:
    return f"**{result['verdict']}**, {effect(result['parts'][0])}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _parts(name: str, result: Mapping[str, Any]) -> str:
    caveat = catalog()[name].caveat
    lines = [f"### {name}\n", f"{result['measured']}\n", *([f"But: {caveat}\n"] if caveat else [])]
    return "\n".join([*lines, *(f"- {said(part)}" for part in result["parts"])]) + "\n"


if __name__ == "__main__":
    (DOCS / "papers.md").write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{DOCS / 'papers.md'}\n")
