"""`fullrank train RECIPE [--flags]`: train an encoder on unlabeled images; RECIPE is a name or a .py file.
`fullrank train --resume RUN`: go on with a run that was stopped or killed.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fullrank.commands._common import parse, stopped, terminal
from fullrank.errors import UserError, command
from fullrank.terminal import say

if TYPE_CHECKING:
    from rich.console import Console

    from fullrank.engine.signals import Ending

_USAGE = """\
usage: fullrank train RECIPE [--flags]
       fullrank train --resume RUN

A folder of photographs is enough to begin, without labels:

  fullrank train simclr --data photos/ --dry-run   what was understood of the folder, and how long it would take
  fullrank train simclr --data photos/             train: SimCLR, the best known recipe
  fullrank train intl --data photos/               or INTL, which uses every dimension

RECIPE is one of those that `fullrank recipes` lists by family, or a Python file.
`fullrank train RECIPE --help` lists its flags with their defaults.
`--preset NAME` starts from published settings, which `fullrank recipes RECIPE` shows."""

_LIKE = (
    "Folder of a run whose settings are used, all but --out, --devices, --nodes, --strategy and --workers; by default "
    "the recipe's own."
)


def run(arguments: list[str]) -> int:
    """Run the command; returns the exit code."""
    if not arguments or arguments[0] in ("--help", "-h"):
        print(_USAGE)
        return 0
    if arguments[0] == "--resume":
        return _resume(arguments[1:])
    name, console = arguments[0], terminal()
    _say_starting(name, arguments, console)
    parsed = _parsed(name, arguments[1:])
    from fullrank.recipes.presets import left_out

    for sentence in left_out(name, parsed.preset):
        say(console, sentence)
    with console.status("Starting"):
        from fullrank.training.dry_run import dry_run
        from fullrank.training.fit import start
    if parsed.dry_run:
        dry_run(parsed.recipe, parsed.run, console)
        return 0
    run, ending = start(name, parsed.recipe, parsed.run, console, preset=parsed.preset)
    return _after_training(run, ending, console)


def _say_starting(what: str, arguments: list[str], console: Console) -> None:
    """A first line at once, from the first process: PyTorch and Lightning take seconds to load."""
    from fullrank.engine.launcher import process_rank

    if process_rank() == 0 and not {"--help", "-h"} & {*arguments}:
        say(console, f"{what}: loading PyTorch and Lightning")


def _parsed(name: str, arguments: list[str]) -> Any:
    """The recipe of this name with its flags, the options of the run, and what it starts from."""
    from dataclasses import make_dataclass
    from typing import Annotated

    import tyro

    from fullrank import recipes
    from fullrank.engine import RunOptions
    from fullrank.recipes.presets import begin, describe, like, require_data

    recipe_class = recipes.load(name)
    run_like, same, flags = like(name, recipe_class, arguments)
    preset, recipe, flags = begin(name, recipe_class, flags)
    recipe, options = same or (recipe, RunOptions())
    chosen = Annotated[str | None, tyro.conf.arg(help=describe(name))]
    other = Annotated[str | None, tyro.conf.arg(help=_LIKE)]
    dry = Annotated[bool, tyro.conf.arg(help="Print the plan (steps, settings, memory, time) and stop.")]
    both = make_dataclass(
        "Train",
        [("recipe", recipe_class), ("run", RunOptions), ("preset", chosen), ("like", other), ("dry_run", dry)],
    )
    both.__doc__ = sys.modules[recipe_class.__module__].__doc__
    parsed = parse(both, flags, f"train {name}", both(recipe, options, preset, run_like, False))
    require_data(name, preset, parsed.recipe)
    from fullrank.training.step_plan import refuse_idle

    refuse_idle(parsed.recipe, recipe)
    return parsed


@dataclass(frozen=True, kw_only=True)
class Resume:
    """What may have changed since; all settings are in the config.json of the run."""

    data: tuple[str, ...] = ()
    """Place of the run's data, if it has moved; by default where it was."""
    any_data: bool = False
    """Go on although these are not the images that the run began with."""
    any_settings: bool = False
    """Go on although the settings in config.json are not those that the checkpoint was trained with."""
    previous: bool = False
    """Go on from the checkpoint before the last one, if the last one is damaged."""
    devices: int | None = None
    """Processes; by default as many as before. With another number, a line says what is then not exactly the same."""
    nodes: int | None = None
    """Machines; by default as many as before."""
    trust: bool = False
    """Run the Python files that the run names as its recipe or backbone, although you never ran them as they are."""


def _resume(arguments: list[str]) -> int:
    if not arguments or (arguments[0].startswith("-") and arguments[0] not in ("-h", "--help")):
        raise UserError("--resume takes one run folder: its settings are in its config.json.")
    console = terminal()
    _say_starting(f"Resuming {arguments[0]}", arguments, console)
    from dataclasses import make_dataclass
    from typing import Annotated

    import tyro

    where = Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN", help="Folder of a run that stopped.")]
    both = make_dataclass("Resumption", [("run", where), ("flags", Resume)])
    both.__doc__ = "Continue a run from its last checkpoint."
    parsed = parse(both, arguments, "train --resume")
    run, flags = parsed.run, parsed.flags
    with console.status("Starting"):
        from fullrank.engine.signals import Ending
        from fullrank.training.fit import is_finished, resume
        from fullrank.training.same_data import kept
    if is_finished(run) and not (run / "report.html").exists():  # killed before its page was written
        return _after_training(run, Ending(True), console)
    recipe, options = kept(run, flags.data or None, trust=flags.trust)
    others = {name: getattr(flags, name) for name in ("devices", "nodes") if getattr(flags, name) is not None}
    options = replace(options, **others)
    ending = resume(
        run,
        recipe,
        options,
        console,
        any_data=flags.any_data,
        any_settings=flags.any_settings,
        previous=flags.previous,
    )
    return _after_training(run, ending, console)


def _after_training(run: Path, ending: Ending, console: Console) -> int:
    from fullrank.engine.launcher import process_rank

    if process_rank() != 0:
        return 0
    if not ending:
        return stopped(ending, command("train", "--resume", run), console)
    from fullrank.report import read_run, write_report
    from fullrank.report.runs.next_steps import train_longer
    from fullrank.report.runs.speed import speed_words
    from fullrank.runs import read_as_run, read_json

    with read_as_run(run):
        result = read_json(run / "result.json")
        page = write_report([run], run / "report.html")
        say(console, result["verdict"]["sentence"])
        if speed := speed_words(result.get("images_per_second", {})):
            say(console, speed)
        if again := train_longer(read_run(run)):
            say(console, f"Train for longer: {again}")
        known = read_json(run / "config.json").get("data", {}).get("understood", {}).get("classes", True)
    then = f"Score it with: {command('evaluate', run)}"
    if not known:
        then = f"Its images have no labels. Look at it with: {command('diagnose', run)}"
    say(console, f"Report: {page}\n{then}")
    return 0
