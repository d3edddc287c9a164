"""docs/papers.md from the results of the papers' experiments."""

from __future__ import annotations

from collections.abc import Mapping

from docs.build.papers import reasons, words
from docs.build.papers.counts import count, summary
from docs.build.papers.fresh import added, stable
from docs.build.papers.results import (
    BUDGETS,
    COLOR,
    FRESH,
    GRAY,
    PLACES,
    Result,
    Results,
    of_first_seeds,
    read,
    seeds_of,
    trains,
)
from fullrank.papers import catalog
from fullrank.report.papers.gallery import effect, said

_HEAD = {
    False: "| experiment | claim | headline | verdict | effect | parts | evidence |\n|---|---|---|---|---|---|---|",
    True: "| experiment | claim | headline | gray | effect in gray | color | parts in gray | evidence |\n"
    "|---|---|---|---|---|---|---|---|",
}


def page() -> str:
    """The whole of docs/papers.md."""
    gray, color, fresh = read(GRAY), {budget: read(COLOR / budget) for budget in BUDGETS}, read(FRESH)
    trained = {name: result for name, result in gray.items() if trains(name)}
    theory = {name: result for name, result in gray.items() if not trains(name)}
    places = {"gray": gray, **color}
    return "\n".join(
        [
            words.HEADER,
            summary(gray, color),
            words.THEORY,
            _table(theory, color, images=False),
            words.TRAINED.format(twice=_twice(color), run=len(set().union(*color.values())), trained=len(trained)),
            _table(trained, color, images=True),
            stable(gray, fresh),
            added(places, fresh),
            reasons.section(places, PLACES),
            words.PREDICTS,
            "## Part by part\n",
            "The first line of each is the headline.\n",
            *(_parts(name, result) for name, result in gray.items()),
        ]
    )


def _twice(color: Mapping[str, Results]) -> str:
    """How many verdicts differ where the same seeds were trained of files and in memory."""
    files, memory = color["150"], color["arrays"]
    seeds = {name: len(seeds_of(one)) for name, one in files.items()}
    both = [name for name, some in seeds.items() if name in memory and some <= len(seeds_of(memory[name]))]
    pairs = [(files[name]["verdict"], of_first_seeds(memory[name], seeds[name])["label"]) for name in both]
    decided = [pair for pair in pairs if pair[0] != "undecided"]
    turned = sum({*pair} == {"held", "reversed"} for pair in pairs)
    anew = sum(a == "undecided" != b for a, b in pairs)
    return (
        f"{len(both)} claims were trained both ways with the same seeds. Of {len(decided)} that were decided with\n"
        f"files, {sum(a == b for a, b in decided) or 'none'} came out so in memory, too; of "
        f"{len(pairs) - len(decided)} that were undecided, {anew or 'none'} {'was' if anew < 2 else 'were'} decided "
        f"there;\n{turned or 'none'} turned from held to reversed or back. Three seeds in color often cannot tell.\n"
        "These were trained both ways because they did not hold one way, so that they say little of what held clearly."
    )


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
            count(part["label"] for part in result["parts"]),
            f"[figure]({place}/figure.svg), [numbers]({place}/result.json)",
        ]
        lines.append(words.row(cells))
    return "\n".join(lines) + "\n"


def _colored(name: str, color: Mapping[str, Results]) -> list[str]:
    """What came out in color, at each budget that was run."""
    return [
        f"[{BUDGETS[budget]}](results/papers-color/{budget}/{name}/result.json): **{found[name]['verdict']}**, "
        f"{effect(found[name]['parts'][0])}"
        for budget, found in color.items()
        if name in found
    ]


def _parts(name: str, result: Result) -> str:
    caveat = catalog()[name].caveat
    lines = [f"### {name}\n", f"{result['measured']}\n", *([f"But: {caveat}\n"] if caveat else [])]
    return "\n".join([*lines, *(f"- {said(part)}" for part in result["parts"])]) + "\n"
