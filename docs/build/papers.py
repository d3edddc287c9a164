"""Writes docs/papers.md from the results of the papers' experiments: `python -m docs.build.papers`."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from docs.build import reasons
from fullrank.papers import catalog
from fullrank.report.papers.gallery import VERDICTS, effect, said

DOCS = Path(__file__).parents[1]
GRAY, COLOR, FRESH = (DOCS / "results" / name for name in ("papers", "papers-color", "papers-fresh"))
BUDGETS = {  # folders of COLOR
    "150": "150 steps",
    "arrays": "150 steps, in memory",
    "900": "900 steps, in memory",
    "4000": "4,000 steps, in memory",
}
PLACES = {"gray": "gray"} | {budget: f"color, {said}" for budget, said in BUDGETS.items()}
PAPERS = {
    "w2": "W2 uniformity (Fang et al.)",
    "intl": "INTL (Weng et al.)",
    "corinfomax": "CorInfoMax (Ozsoy et al.)",
    "directclr": "DirectCLR (Jing et al.)",
    "hsr": "HSR-BYOL (Durrant & Leontidis)",
    "ours": "ours, of what they do not say",
}
Results = Mapping[str, Mapping[str, Any]]

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
- A part that two things are **level** holds where the interval is within the margin, and one that something is **less
  than so much behind** where it is above minus the margin. Where a part has a threshold, such as "does not collapse",
  the effect is counted from it.
- **Exact** parts have no chance in them: they hold in every value to rounding, or the part has **failed**.

Where nothing is there, at most 5 % of the verdicts are "held" and 90 % are "undecided" (`tests/papers/test_chance.py`).
Headlines and margins stand beside each experiment and were chosen before anything that is run from now on; the results
below were known then. `fullrank paper --judge DIR` judges results again by today's parts without training; `--seed-from
1000` runs an experiment with seeds that none of these results has, and `--seeds 10` adds seeds to a run of yours with
fewer.

An embedding counts as collapsed where its effective rank as a share of its dimensions, times its relative spread,
is below 0.1: a rank has no scale, and a spread does not see a line.

The trainings on images are small: 38,400 images of Fashion-MNIST at 16 x 16 pixels (two thirds of an epoch, 150 steps
of 256), the `tiny` encoder, three seeds or ten. They take some 15 seconds of one core each, and by themselves cannot
tell "false" from "too short". `--full` trains ResNet-18 for 100 epochs of the images at their own size with `tiny`'s
projector, optimizer and weights, so it is not the paper's setting; no such run is part of this page. The authors' own
settings are presets, and `fullrank paper --published` lists the commands that would reproduce their tables, with hours.
What is shown is measured by FullRank; it is not a reading of the papers' own tables.
"""

THEORY = """## Without images

Closed forms, point clouds and toy networks. They test that formulas and code do what the paper says, in seconds. Most
parts of W2's ask which way a metric moves, not how far: another metric that moves the same way would pass them.
"""

TRAINED = """## Trained on images

Gray is Fashion-MNIST. Color is sprites (`python -m benchmarks.sets sprites-32 --out SETS`), with the same commands and
`--data SETS/sprites-32 --steps 150`, at 16 x 16 pixels too: {run} of {trained} so far, and the column says at which
budget. Accuracy in gray is that of neighbors on 5,000 test images, judged by 5,000 others; the 1,018 test sprites, of
other figures than the training ones, are judged by all training images. Beside it is ridge regression on the same
images (DirectCLR's linear probe learns from all training images). Some of what did not hold was trained for longer, of
the same images in memory (`--arrays` writes them, `--data SETS/sprites-32.npz` reads them), which takes less time;
since other code cuts and resizes them there, its 150 steps stand beside. {twice}
"""

STABLE = """## With fresh seeds

{count} of the {published} experiments were run again, most with as many seeds: `fullrank paper NAME --seeds N
--seed-from 1000 --out DIR` ([results/papers-fresh](results/papers-fresh)). {trained} of them train on images; exact
parts have no chance in them. The verdict is the same in {same} of them, and the label in {labels} of {parts} parts.
{others} That is after ten seeds, and thirty of `intl/other-g`, took the place of three where three had disagreed with
three fresh ones: `intl/other-g` and `hsr/separability` held with seeds 0 to 2 and were undecided with 1,000 to 1,002,
`hsr/few-labels` and `intl/probe` were undecided and held, and `intl/teacher-crops` was reversed and undecided.
"""

PREDICTS = """## Does W2 predict accuracy?

No experiment above asks whether W2 orders trainings as their accuracy does; the bench asks it of every recipe in color,
beside nine other numbers and with intervals:
[Do label-free numbers predict accuracy?](results/bench/README.md#do-label-free-numbers-predict-accuracy) In short:
across recipes a low W2 goes with a high accuracy of neighbors, of the backbone more than of the embedding, as high
ranks do, and not with linear accuracy; among seeds of one recipe it says next to nothing, and among a host alone, with
Wang and Isola's loss and with W2 it chooses hardly better than chance.
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
    gray, color = read(GRAY), {budget: read(COLOR / budget) for budget in BUDGETS}
    trained = {name: result for name, result in gray.items() if catalog()[name].data}
    theory = {name: result for name, result in gray.items() if name not in trained}
    return "\n".join(
        [
            HEADER,
            _summary(gray, theory, trained, color),
            _by_paper(theory, trained, color),
            THEORY,
            _table(theory, color, images=False),
            *_stable(gray, read(FRESH)),
            TRAINED.format(twice=_twice(color), run=len(set().union(*color.values())), trained=len(trained)),
            _table(trained, color, images=True),
            reasons.section({"gray": gray, **color}, PLACES),
            PREDICTS,
            "## Part by part\n",
            "The first line of each is the headline.\n",
            *(_parts(name, result) for name, result in gray.items()),
        ]
    )


def _summary(every: Results, theory: Results, trained: Results, color: Mapping[str, Results]) -> str:
    parts = [part["label"] for one in every.values() for part in one["parts"]]
    hours = sum(result["cpu_seconds"] for result in every.values()) / 3600
    no_images, images = (_sentence(one["verdict"] for one in some.values()) for some in (theory, trained))
    return (
        f"## What came out\n\n- Of {len(theory)} claims that need no images, {no_images}.\n"
        f"- Of {len(trained)} claims about trainings on images, {images} in gray.\n"
        f"{_in_color(color)}"
        f"- Of the {len(parts)} parts of all claims in gray, {_sentence(parts)}.\n"
        f"- A claim is more than its headline. These held by it, and another part came out the other way round: "
        f"{', '.join(_held_with_others(every))}.\n\n"
        f"All in gray took {hours:.1f} hours of one CPU core.\n"
    )


def _held_with_others(every: Results) -> list[str]:
    """Claims whose headline held in gray while another part was reversed or failed."""
    wrong = ("reversed", "failed")
    held = [(name, one) for name, one in every.items() if one["verdict"] == "held"]
    return [f"`{name}`" for name, one in held if any(part["label"] in wrong for part in one["parts"])]


def _whose(name: str, result: Mapping[str, Any]) -> str:
    """Whose the headline is: of the paper that the experiment is about, or ours."""
    return "ours" if result["parts"][0]["source"] == "ours" else name.split("/")[0]


def _by_paper(theory: Results, trained: Results, color: Mapping[str, Results]) -> str:
    """Verdicts by paper; in color that of the longest training of each claim."""
    longest: dict[str, Mapping[str, Any]] = {}
    for budget in BUDGETS:  # from short to long
        longest.update(color[budget])
    lines = ["| headlines of | without images | gray | color, the longest training of each |\n|---|---|---|---|"]
    for key, title in PAPERS.items():
        some = [
            [one["verdict"] for name, one in of.items() if _whose(name, one) == key]
            for of in (theory, trained, longest)
        ]
        lines.append(f"| {title} | {' | '.join(_count(verdicts) for verdicts in some)} |")
    return "\n".join(lines) + "\n"


def _in_color(color: Mapping[str, Results]) -> str:
    """A line for each budget that was run in color."""
    return "".join(
        f"- In color, {BUDGETS[budget]}: of {len(found)} claim{'s' * (len(found) > 1)}, "
        f"{_sentence(one['verdict'] for one in found.values())}.\n"
        for budget, found in color.items()
        if found
    )


def _twice(color: Mapping[str, Results]) -> str:
    """How many verdicts differ where the same seeds were trained of files and in memory."""
    files, memory = color["150"], color["arrays"]
    both = [name for name in files if name in memory and files[name]["seeds"] == memory[name]["seeds"]]
    pairs = [(files[name]["verdict"], memory[name]["verdict"]) for name in both]
    turned = sum({*pair} == {"held", "reversed"} for pair in pairs)
    return (
        f"Of the {len(both)} claims that were trained both ways with the same seeds, "
        f"{sum(a != b for a, b in pairs)} changed their verdict, {turned or 'none'} from held to reversed or back: "
        "three seeds in color often cannot tell."
    )


def _count(verdicts: Iterable[str]) -> str:
    found = Counter(verdicts)
    return ", ".join(f"{found[label]} {label}" for label in VERDICTS if found[label])


def _sentence(labels: Iterable[object]) -> str:
    """How many of which label.

    >>> _sentence(["held", "held", "undecided", "failed"])
    '2 held, 1 is undecided and 1 failed'
    >>> _sentence(["undecided"])
    '1 is undecided'
    """
    found = Counter(map(str, labels))
    are = "is" if found["undecided"] == 1 else "are"
    verbs = {"undecided": f" {are} undecided", "reversed": " came out the other way round"}
    parts = [f"{found[label]}{verbs.get(label, f' {label}')}" for label in VERDICTS if found[label]]
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _table(results: Results, color: Mapping[str, Results], *, images: bool) -> str:
    lines = [_HEAD[images]]
    for name, result in results.items():
        headline = result["parts"][0]
        cells = [f"`{name}`", result["claim"], f"{headline['says']} ({headline['source']})", f"**{result['verdict']}**"]
        cells.append(effect(headline))
        if images:
            cells.append("; ".join(_colored(name, color)) or "not run")
        place = f"results/papers/{name}"
        cells += [
            _count(part["label"] for part in result["parts"]),
            f"[figure]({place}/figure.svg), [numbers]({place}/result.json)",
        ]
        lines.append(f"| {' | '.join(_cell(one) for one in cells)} |")
    return "\n".join(lines) + "\n"


def _colored(name: str, color: Mapping[str, Results]) -> list[str]:
    """What came out in color, at each budget that was run."""
    return [
        f"[{BUDGETS[budget]}](results/papers-color/{budget}/{name}/result.json): **{found[name]['verdict']}**, "
        f"{effect(found[name]['parts'][0])}"
        for budget, found in color.items()
        if name in found
    ]


def _stable(published: Results, fresh: Results) -> list[str]:
    """How many verdicts and labels fresh seeds repeat, and those that they do not."""
    if not fresh:
        return []
    changed = [name for name, found in fresh.items() if found["verdict"] != published[name]["verdict"]]
    pairs = [
        (before["label"], after["label"])
        for name, found in fresh.items()
        for before, after in zip(published[name]["parts"], found["parts"], strict=True)
    ]
    same = sum(before == after for before, after in pairs)
    turned = sum({before, after} == {"held", "reversed"} for before, after in pairs)
    turns = (f"`{name}` was {published[name]['verdict']} and is {fresh[name]['verdict']}" for name in changed)
    others = f"{'; '.join(turns)}. " if changed else ""
    others += f"{turned or 'No'} parts turned from held to reversed or back."
    trained = sum(bool(catalog()[name].data) for name in fresh)
    counts = {"count": len(fresh), "published": len(published), "trained": trained, "same": len(fresh) - len(changed)}
    return [STABLE.format(**counts, labels=same, parts=len(pairs), others=others)]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _parts(name: str, result: Mapping[str, Any]) -> str:
    caveat = catalog()[name].caveat
    lines = [f"### {name}\n", f"{result['measured']}\n", *([f"But: {caveat}\n"] if caveat else [])]
    return "\n".join([*lines, *(f"- {said(part)}" for part in result["parts"])]) + "\n"


if __name__ == "__main__":
    (DOCS / "papers.md").write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{DOCS / 'papers.md'}\n")
