"""The reference, from the code: commands, recipes, kinds of collapse, losses, metrics, profiles and file formats."""

from __future__ import annotations

import contextlib
import io
import os
import re
from typing import get_args
from unittest import mock

import fullrank
from docs.build.site import api
from fullrank import (
    data,
    embeddings,
    evaluation,
    losses,
    methods,
    metrics,
    nn,
    papers,
    recipes,
    regularizers,
    report,
    testing,
    watch,
)
from fullrank.cli import COMMANDS, main
from fullrank.diagnosis.kinds import RULES
from fullrank.diagnosis.profiles import PROFILES
from fullrank.diagnosis.rule import Evidence, Gate, Graded, Rule
from fullrank.embeddings.files import ENDINGS

MODULES = {
    "losses": ("Losses", losses),
    "metrics": ("Metrics", metrics),
    "watch": ("Watching a training", watch),
    "testing": ("Testing your own parts", testing),
    "nn": ("Networks", nn),
    "data": ("Data and views", data),
    "evaluation": ("Scores of frozen features", evaluation),
    "embeddings": ("Files and arrays of embeddings", embeddings),
    "settings": ("Recipes from Python", recipes),
    "methods": ("Methods", methods),
    "regularizers": ("Regularizers", regularizers),
    "report": ("Reports", report),
    "papers": ("Experiments of the papers", papers),
}
PARTS = {  # rooms of which some names are for the package itself
    "data": (
        "Augmentation",
        "DataOptions",
        "Dataset",
        "Views",
        "crop_sizes",
        "crop_views",
        "default_preset",
        "load_dataset",
        "preset",
    ),
    "report": ("write_figure", "write_gallery", "write_report"),
}


def pages() -> dict[str, str]:
    """Markdown by path below `reference/`, without the ending."""
    found = {f"commands/{name}": command(name) for name in COMMANDS}
    found |= {f"recipes/{name}": recipe(name) for name in recipes.names()}
    found |= {f"kinds/{slug(rule.name)}": kind(rule) for rule in RULES}
    found |= {place: api.page(title, module, names(place)) for place, (title, module) in MODULES.items()}
    functions = [api.entry(f"fullrank.{name}", getattr(fullrank, name)) for name in fullrank.__all__]
    found["python"] = "\n\n".join(["# The front door", api.markdown(fullrank), *filter(None, functions)]) + "\n"
    found["formats"] = formats()
    for folder, title in (("commands", "Commands"), ("kinds", "Each finding, with causes and remedies")):
        inside = [path.removeprefix(f"{folder}/") for path in found if path.startswith(f"{folder}/")]
        found[f"{folder}/index"] = f"# {title}\n\n{toctree(inside)}"
    found["recipes/index"] = _by_family()
    listed = ["commands/index", "recipes/index", "python", *MODULES, "formats"]
    found["index"] = f"# Reference\n\nAll of it is written from the code.\n\n{toctree(listed)}"
    return found


def names(place: str) -> tuple[str, ...]:
    """The names on the page of a module: its public ones, or those of them that are for its users."""
    return PARTS.get(place, tuple(MODULES[place][1].__all__))


def _by_family() -> str:
    every = recipes.names()
    families = {
        family: [name for name in every if recipes.load(name).family == family] for family in get_args(recipes.Family)
    }
    trees = [toctree(names, family.capitalize()) for family, names in families.items() if names]
    return "\n".join(["# Recipes\n", *trees])


def toctree(names: list[str], caption: str = "", *, hidden: bool = False) -> str:
    """A list of pages for Sphinx."""
    options = [":maxdepth: 1", *([f":caption: {caption}"] if caption else []), *([":hidden:"] if hidden else [])]
    return "\n".join(["```{toctree}", *options, "", *names, "```\n"])


def said(arguments: list[str]) -> str:
    """What a command prints, 84 columns wide and without colors."""
    out = io.StringIO()
    plain = {"COLUMNS": "84", "NO_COLOR": "1", "TERM": "dumb"}
    end = contextlib.suppress(SystemExit)  # tyro's way to end a help text
    with mock.patch.dict(os.environ, plain), contextlib.redirect_stdout(out), end:
        main(arguments)
    return re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue()).rstrip()


def command(name: str) -> str:
    """The page of a command: its help."""
    arguments = [name, "intl", "--help"] if name == "train" else [name, "--help"]
    return f"# fullrank {name}\n\n```text\n{said(arguments)}\n```\n"


def recipe(name: str) -> str:
    """The page of a recipe: what its file says, and its published settings."""
    return f"# {name}\n\n```text\n{said(['recipes', name])}\n```\n"


def slug(name: str) -> str:
    """A name as a path.

    >>> slug("modality gap of two groups")
    'modality-gap-of-two-groups'
    """
    return name.replace(" ", "-")


def kind(rule: Rule) -> str:
    """The page of a finding: what it costs, what it is seen by, possible causes with their tests, and what to try."""
    advice = rule.advice
    lines = [f"# {rule.name[0].upper()}{rule.name[1:]}", advice.why, "## What it is seen by"]
    lines.append("\n".join(_evidence(each) for each in rule.evidence))
    if rule.least > 2:
        lines.append(f"The rule applies from {rule.least} rows on.")
    if rule.silences:
        lines.append(
            f"Where it is found, these are left out: {', '.join(rule.silences)}. {_sentence(rule.because)}".strip()
        )
    lines.append("## Possible causes, and the test that tells them apart")
    rows = [(_cell(one.text), _cell(one.test), ", ".join(one.of) or "any training") for one in advice.causes]
    lines.append("\n".join(["| cause | test | in |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)]))
    lines.append("## What to try")
    for remedy in advice.remedies:
        where = f" ({', '.join(remedy.of)})" if remedy.of else ""
        lines += [f"{_sentence(remedy.text)[:-1]}{where}:", f"```text\n{remedy.code}\n```"]
    return "\n\n".join([*lines, "## How to see that it has gone", advice.verify]) + "\n"


def _evidence(one: Evidence) -> str:
    sentence = re.sub(r"\{[^}]*\}", "…", one.sentence)
    gates = " and ".join(_gate(gate) for gate in one.gates)
    return f"- {_graded(one.graded)}{gates and f', if {gates}'}. The report says: *{sentence}*."


def _gate(one: Gate) -> str:
    return f"`{one.name}` is {one.way} {one.threshold:g}" + (" or was not measured" if one.or_missing else "")


def _graded(one: Graded) -> str:
    fails = "" if one.fail is None else f", and a failure {one.way} {one.fail:g}"
    return f"`{one.name}` {one.way} {one.warn:g} is a warning{fails}"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:].rstrip('.')}." if text else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def formats() -> str:
    """What kinds of files hold embeddings, and what is known of those who made them."""
    files = ", ".join(f"`{ending}`" for ending in ENDINGS)
    profiles = "\n".join(f"| `{name}` | {_cell(profile.about)} |" for name, profile in PROFILES.items())
    return (
        f"# Files and profiles\n\n## Files of embeddings\n\n`fullrank diagnose` reads {files}, folders and patterns of "
        f"them.\n\n## Profiles\n\nA profile says what made the embeddings, and which findings are to be expected.\n\n"
        f"| profile | of |\n|---|---|\n{profiles}\n"
    )
