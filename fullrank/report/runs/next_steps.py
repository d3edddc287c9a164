"""What to do next about each run: causes and remedies of what was found, and the commands that lead on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from fullrank.errors import command
from fullrank.report.runs.speed import speed_words
from fullrank.report.words import sentence
from fullrank.runs.advice import Advice
from fullrank.runs.run import Run

_FIRST = 1000  # steps, as the rule for few dimensions has it
_OBJECT = "object:"  # data that were passed from Python, in config.json
_IMAGES = "IMAGES"
_OTHER = re.compile(r"^fullrank train (\w+)(?: --like RUN)?")  # which former versions did not write


@dataclass(frozen=True)
class Next:
    """What to do about one run: the findings with their advice, and what leads on, as pairs of words and a command.

    `speed` says which part of it was the slower one, and what makes that faster.
    """

    label: str
    findings: Sequence[Advice]
    commands: Sequence[tuple[str, str]]
    speed: str = ""


def next_steps(run: Run, label: str) -> Next:
    """The decision that a run asks for."""
    speed = speed_words(run.result.images_per_second) if run.result else ""
    return replace(_decision(run, label), speed=speed)


def _decision(run: Run, label: str) -> Next:
    if run.result is None:
        if _of_object(run):
            return Next(label, (), [("Finish it, from Python.", f"fullrank.resume({str(run.path)!r}, data=IMAGES)")])
        return Next(label, (), [("Finish it.", command("train", "--resume", run.path))])
    look = ("Every finding with its evidence, rows and figures.", command("diagnose", run.path))
    if run.result.state in ("collapsed", "degraded"):
        longer = (("Train for longer, since it is at its first steps.", again),) if (again := train_longer(run)) else ()
        found = [
            Advice(
                sentence(one.sentence),
                sentence(one.why),
                _sentences(one.causes),
                (*longer[at:], *_pasted(one.remedies, run)),  # before the remedies of the first finding alone
            )
            for at, one in enumerate(run.result.advice)
        ]
        return Next(label, found, [look])
    if again := train_longer(run):
        return Next(label, (), [("Train for longer.", again), look])
    embed = command("embed", run.path, *_images(run), "--out", "z.npy")
    use = ("Use it: vectors of images, with names and labels.", embed)
    if run.knn is None:
        score = ("Score it on labeled images.", command("evaluate", run.path, *_anew(run)))
        return Next(label, (), [score, use, look])
    return Next(label, (), [use, ("Take it elsewhere.", command("export", run.path, "--to", "torch-export")), look])


def _of_object(run: Run) -> bool:
    return str(run.settings.get("data")).startswith(_OBJECT)


def _anew(run: Run) -> tuple[str, ...]:
    """The flag of the images that a command cannot find again."""
    return ("--data", _IMAGES) if _of_object(run) else ()


def _images(run: Run) -> list[str]:
    """The images of a run as `embed` takes them; a word in their place where no command can name them."""
    data, root = run.settings.get("data"), run.settings.get("data_root")
    if data is None or _of_object(run):
        return [_IMAGES]
    named = [str(item) for item in data] if isinstance(data, list | tuple) else [str(data)]
    return [*named, *(["--data-root", str(root)] if root else [])]


def train_longer(run: Run) -> str:
    """The command that trains for twice as long, where a run is too short to be judged; else an empty one."""
    state = run.result.state if run.result else ""
    if state != "early" and (state != "degraded" or run.step >= _FIRST):
        return ""
    for name, least in (("steps", 200), ("epochs", 2)):
        amount = run.settings.get(name)
        if isinstance(amount, int | float):
            return f"{_again(run)} --{name} {max(2 * amount, least)}"
    return _again(run)


def _again(run: Run, recipe: str = "") -> str:
    """Another run with the settings of this one, by default of its recipe."""
    return command("train", recipe or run.recipe, "--like", run.path, *_anew(run))


def _pasted(remedies: Sequence[tuple[str, str]], run: Run) -> tuple[tuple[str, str], ...]:
    """Flags, and trainings by another recipe, as the whole command: another run with the settings of this one."""
    return tuple((sentence(text), _whole(code, run)) for text, code in remedies)


def _whole(code: str, run: Run) -> str:
    if code.startswith("--"):
        return f"{_again(run)} {code}"
    other = _OTHER.match(code)
    return _again(run, other[1]) + code[other.end() :] if other else code


def _sentences(pairs: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((sentence(text), other) for text, other in pairs)
