"""Whether other seeds give the same verdicts, and what was decided by adding seeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from docs.build.papers.results import PLACES, Result, Results, of_first_seeds, seeds_of, trains
from docs.build.papers.words import row
from fullrank.report.papers.gallery import effect

FIRST = 3  # seeds of most experiments before any were added
AT_ONCE = {"corinfomax/exact", "corinfomax/small-batch", "w2/floor", "w2/more-hosts"}  # had ten from the start

FRESH_SEEDS = """## With fresh seeds

{count} of the {published} experiments were run again: `fullrank paper NAME --seeds N --seed-from 1000 --out DIR`
([results/papers-fresh](results/papers-fresh)).

| | experiments | same verdict | parts with chance in them | same label |
|---|---|---|---|---|
{rows}

{others} Of the {all_parts} parts {turned} turned from held to reversed or back. That is with all seeds of either side;
by the first {first} alone, before any were added, {before} of {count} verdicts are the same.
"""

ADDED = """## Verdicts that more seeds have changed

Most experiments were run with {first} seeds at first. Toys have ten now, and so have some that train and were undecided
or came out otherwise with fresh seeds; {left} that are undecided in gray still have {first}. An interval does not keep
its 95 % where seeds are added until it decides. These are the verdicts that the first seeds alone would not have given,
and of them the fresh seeds are the check:

| experiment | first seeds | all seeds | fresh seeds, from 1,000 |
|---|---|---|---|
{rows}
"""


def stable(published: Results, fresh: Results) -> str:
    """How many verdicts and labels fresh seeds repeat, and those that they do not."""
    changed = [name for name, found in fresh.items() if found["verdict"] != published[name]["verdict"]]
    turns = (f"`{name}`, {_of(published[name])} seeds above and {_of(fresh[name])} fresh ones" for name in changed)
    labels = list(_labels(published, fresh, fresh))
    turned = sum({before, after} == {"held", "reversed"} for before, after in labels)
    kinds = {"train on images": [name for name in fresh if trains(name)]}
    kinds["need no images"] = [name for name in fresh if not trains(name)]
    rows = []
    for title, names in kinds.items():
        pairs = list(_labels(published, fresh, names))
        same = sum(before == after for before, after in pairs)
        kept = sum(name not in changed for name in names)
        rows.append(row([title, *map(str, (len(names), kept, len(pairs), same))]))
    before = sum(_first(published[name])["label"] == _first(one)["label"] for name, one in fresh.items())
    return FRESH_SEEDS.format(
        count=len(fresh), published=len(published), rows="\n".join(rows), first=FIRST, before=before,
        others=f"Different: {'; '.join(turns)}." if changed else "", all_parts=len(labels), turned=turned or "none",
    )  # fmt: skip


def _of(result: Result) -> str:
    return f"{result['verdict']} with {len(seeds_of(result))}"


def _labels(published: Results, fresh: Results, names: Iterable[str]) -> Iterable[tuple[str, str]]:
    """The labels of the parts that have chance in them, in both."""
    for name in names:
        for before, after in zip(published[name]["parts"], fresh[name]["parts"], strict=True):
            if before["kind"] != "exact":
                yield before["label"], after["label"]


def _first(result: Result) -> Mapping[str, object]:
    few = len(seeds_of(result)) <= FIRST or result["name"] in AT_ONCE
    return result["parts"][0] if few else of_first_seeds(result, FIRST)


def added(places: Mapping[str, Results], fresh: Results) -> str:
    """The verdicts that seeds have decided or undone which were added to the first three, or to ten."""
    rows = []
    for place, results in places.items():
        for name, result in results.items():
            seeds = 0 if name in AT_ONCE else len(seeds_of(result))
            before = [of_first_seeds(result, count) for count in (FIRST, 10) if count < seeds]
            if all(part["label"] == result["verdict"] for part in before):
                continue
            said = [f"{part['label']}, {effect(part)}" for part in before]
            again = fresh[name]["parts"][0] if place == "gray" and name in fresh else None
            cells = [f"`{name}`, {PLACES[place] if trains(name) else 'no images'}", "; ".join(said)]
            cells += [f"**{result['verdict']}**, {effect(result['parts'][0])}"]
            cells += [f"**{again['label']}**, {effect(again)}" if again else "not run"]
            rows.append(row(cells))
    gray = places["gray"].values()
    left = sum(one["verdict"] == "undecided" and len(seeds_of(one)) == FIRST for one in gray)
    return ADDED.format(first=FIRST, left=left, rows="\n".join(rows))
