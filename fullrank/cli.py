"""The command line. A verb imports its room only when it is called, so that --help is instant."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fullrank.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

_HELP = """\
FullRank: self-supervised representation learning that uses every dimension.

usage: fullrank VERB [...]

  fullrank demo                        see a collapse, and the same training without it (a minute)
  fullrank train RECIPE [--flags]      train an encoder on unlabelled images; RECIPE is a name or a .py file
  fullrank train --resume RUN          go on with a run that was stopped or killed
  fullrank evaluate RUN                score a run's frozen encoder: kNN and linear probe
  fullrank report RUN [RUN ...]        one HTML page about a run, or comparing several
  fullrank diagnose FILE[::KEY]        have these embeddings collapsed: verdict, evidence, cause, remedy
  fullrank compare OLD NEW             have they become worse? A gate for continuous integration
  fullrank paper [NAME]                list the experiments of the papers, or run one
  fullrank recipes [RECIPE]            list the recipes, or show one and its published settings

`fullrank VERB --help` tells more; --version prints the version, --debug shows the traceback of an error.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code is 0, 2 after bad input, 130 after an interruption, or the verb's own.

    >>> main(["recipes", "--help"])
    usage: fullrank recipes [RECIPE]
    <BLANKLINE>
    List the recipes, or show one and its published settings.
    0
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    try:
        return _run(arguments)
    except UserError as error:
        if debug:
            raise
        print(f"fullrank: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        if debug:
            raise
        print("fullrank: interrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("--help", "-h", "help"):
        print(_HELP, end="")
        return 0
    if arguments[0] == "--version":
        import fullrank

        print(f"fullrank {fullrank.__version__}")
        return 0
    verbs = {
        "demo": _demo,
        "train": _train,
        "evaluate": _evaluate,
        "report": _report,
        "diagnose": _diagnose,
        "compare": _compare,
        "paper": _paper,
        "recipes": _recipes,
    }
    verb, rest = arguments[0], arguments[1:]
    if verb not in verbs:
        import difflib

        close = difflib.get_close_matches(verb, verbs, n=1)
        raise UserError(
            f"There is no verb {verb}: " + (f"did you mean {close[0]}?" if close else "see `fullrank --help`.")
        )
    return verbs[verb](rest)


def _console() -> Console:
    from rich.console import Console

    return Console()


def _parse(kind: Any, arguments: list[str], verb: str, default: Any = None) -> Any:
    import tyro

    start = tyro.MISSING_NONPROP if default is None else default
    return tyro.cli(kind, args=arguments, prog=f"fullrank {verb}", config=(tyro.conf.OmitArgPrefixes,), default=start)


def _train(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("--help", "-h"):
        from fullrank import recipes

        print(f"usage: fullrank train RECIPE [--flags]\n       fullrank train --resume RUN\n\n"
              f"RECIPE is one of {', '.join(recipes.names())}, or a Python file.\n"
              "`fullrank train RECIPE --help` lists its flags with their defaults.\n"
              "`--preset NAME` starts from published settings, which `fullrank recipes RECIPE` shows.")  # fmt: skip
        return 0
    if arguments[0] == "--resume":
        return _resume(arguments[1:])
    from dataclasses import make_dataclass
    from typing import Annotated

    import tyro

    from fullrank import recipes
    from fullrank.recipes.presets import begin, describe, require_data
    from fullrank.train import RunOptions

    name, recipe_class = arguments[0], recipes.load(arguments[0])
    preset, recipe, flags = begin(name, recipe_class, arguments[1:])
    chosen = Annotated[str | None, tyro.conf.arg(help=describe(name))]
    both = make_dataclass("Train", [("recipe", recipe_class), ("run", RunOptions), ("preset", chosen)])
    both.__doc__ = sys.modules[recipe_class.__module__].__doc__
    parsed = _parse(both, flags, f"train {name}", both(recipe, RunOptions(), preset))
    require_data(name, preset, parsed.recipe)

    console = _console()
    with console.status("Starting"):
        from fullrank.train.fit import start
    run, finished = start(name, parsed.recipe, parsed.run, console, preset=preset)
    return _after_training(run, finished, console)


def _resume(arguments: list[str]) -> int:
    if len(arguments) != 1:
        raise UserError("--resume takes one run folder and no other flag: its settings are in its config.json.")
    from fullrank import recipes
    from fullrank.runs import read_json
    from fullrank.train import RunOptions

    run = Path(arguments[0])
    config = read_json(run / "config.json")
    recipe = recipes.from_settings(recipes.load(config["recipe"]), config["settings"])
    options = recipes.from_settings(RunOptions, config["run"])

    console = _console()
    with console.status("Starting"):
        from fullrank.train.fit import resume
    return _after_training(run, resume(run, recipe, options, console), console)


def _after_training(run: Path, finished: bool, console: Console) -> int:
    from fullrank.train.gather import process_rank

    if process_rank() != 0:
        return 0
    if not finished:
        console.print(f"Stopped; nothing is lost. Go on with: fullrank train --resume {run}", soft_wrap=True)
        return 130
    from fullrank.report import write_report
    from fullrank.runs import read_json

    sentence = read_json(run / "result.json")["verdict"]["sentence"]
    page = write_report([run], run / "report.html")
    console.print(sentence, highlight=False, soft_wrap=True)
    console.print(f"Report: {page}\nScore it with: fullrank evaluate {run}", highlight=False, soft_wrap=True)
    return 0


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """How to score the frozen encoder of a run."""

    k: int = 20
    """Neighbours that vote."""
    temperature: float = 0.07
    """Divides the cosine in a neighbour's weight."""
    baselines: bool = False
    """Also score raw pixels and the untrained encoder."""
    validation: bool = False
    """Score on a held-out tenth of the training labels instead of the test set, and write nothing: for choosing
    settings."""
    data_root: Path | None = None
    """Folder of the named data set, if it has moved."""


def _evaluate(arguments: list[str]) -> int:
    from dataclasses import make_dataclass
    from typing import Annotated

    import tyro

    run = Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN", help="Folder of a finished run.")]
    both = make_dataclass("Evaluation", [("run", run), ("flags", Evaluate)])
    both.__doc__ = "Score the frozen encoder of a run by kNN and a linear probe, into its result.json and report."
    parsed = _parse(both, arguments, "evaluate")
    options: Evaluate = parsed.flags

    console = _console()
    with console.status("Starting"):
        from fullrank.evaluate.run import evaluate_run
        from fullrank.report import write_report

    evaluate_run(
        parsed.run,
        k=options.k,
        temperature=options.temperature,
        baselines=options.baselines,
        validation=options.validation,
        data_root=options.data_root,
        console=console,
    )
    if not options.validation:
        page = write_report([parsed.run], parsed.run / "report.html")
        console.print(f"Report: {page}", highlight=False, soft_wrap=True)
    return 0


def _report(arguments: list[str]) -> int:
    from dataclasses import make_dataclass
    from typing import Annotated

    import tyro

    runs = Annotated[
        tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="RUN", help="Folders of runs, up to 8.")
    ]
    out = Annotated[Path | None, tyro.conf.arg(help="The page; by default report.html in the first run's folder.")]
    options = make_dataclass("Report", [("runs", runs), ("out", out, None)])
    options.__doc__ = "Write one HTML page about a run, or comparing several."
    parsed = _parse(options, arguments, "report")
    if not parsed.runs:
        raise UserError("report needs a run: pass the folder of one or more runs.")

    from fullrank.report import write_report

    _console().print(f"Report: {write_report(parsed.runs, parsed.out or parsed.runs[0] / 'report.html')}")
    return 0


def _diagnose(arguments: list[str]) -> int:
    from fullrank.commands.diagnose import Diagnose, diagnose

    return diagnose(_parse(Diagnose, arguments, "diagnose"), _console())


def _compare(arguments: list[str]) -> int:
    from fullrank.commands.compare import Compare, compare

    return compare(_parse(Compare, arguments, "compare"), _console())


def _paper(arguments: list[str]) -> int:
    from fullrank.papers.run import PaperOptions, paper

    return paper(_parse(PaperOptions, arguments, "paper"), _console())


def _recipes(arguments: list[str]) -> int:
    from fullrank import recipes

    if "--help" in arguments or "-h" in arguments:
        print("usage: fullrank recipes [RECIPE]\n\nList the recipes, or show one and its published settings.")
        return 0
    if arguments:
        from fullrank.recipes.presets.table import show

        recipe_class = recipes.load(arguments[0])
        print(inspect.getdoc(sys.modules[recipe_class.__module__]))
        show(arguments[0], recipe_class, _console())
        return 0
    width = max(map(len, recipes.names()))
    for name in recipes.names():
        print(f"{name:<{width}}  {recipes.documentation(name).splitlines()[0]}")
    return 0


def _demo(arguments: list[str]) -> int:
    from fullrank.demo import Demo, demo

    return demo(_parse(Demo, arguments, "demo"), _console())


if __name__ == "__main__":
    sys.exit(main())
