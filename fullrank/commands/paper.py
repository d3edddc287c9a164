"""`fullrank paper [NAME]`: list the experiments of the papers, or run one."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, arg

from fullrank.commands._common import parse, terminal
from fullrank.errors import UserError, as_flag, command
from fullrank.papers import Entry, Experiment, Outcome, Settings, catalog, load
from fullrank.papers.kit.parts import judged, plain
from fullrank.papers.listed import hours, listing
from fullrank.runs import full_disk_is_an_error, read_json, write_json
from fullrank.terminal import progress, say

if TYPE_CHECKING:
    from rich.console import Console


_SIZES = ("steps", "image_size", "backbone")  # what an experiment's trainings may be told


@dataclass(frozen=True, kw_only=True)
class PaperOptions:
    """List the experiments of the papers, run one of them by NAME, or all of them into a gallery."""

    name: Annotated[Positional[str | None], arg(metavar="[PAPER/WHAT]")] = None
    """An experiment; by default all are listed."""
    all: bool = False
    """Run all experiments; results of as many seeds that exist are kept."""
    published: bool = False
    """List the numbers that the papers publish, with the commands that would reproduce them and what these need."""
    out: Path | None = None
    """Folder of the result of one experiment, or of all of them and the gallery; needed to run any."""
    full: bool = False
    """Larger: of data that are made up the paper's own size; on images ResNet-18 for 100 epochs, with our settings.
    The authors' own settings are presets, whose commands --published lists."""
    yes: bool = False
    """Do not ask before --full trains on a CPU."""
    judge: Path | None = None
    """Judge the results below this folder again, by today's claims and margins, without running anything."""
    seeds: int = 10
    """Independent repetitions; more than the result in --out has are added to it."""
    seed_from: int = 0
    """First seed; seeds other than the published ones show whether a verdict is due to chance."""
    data: str | None = None
    """Images to train on, as for `fullrank train`; by default fashion-mnist, where an experiment needs some."""
    data_root: Path | None = None
    """Folder that holds, or receives, the named data set; by default /usr/share/datasets."""
    steps: int | None = None
    """Steps of each training, of 256 images; by default 150, which cannot tell "false" from "too short"."""
    image_size: int | None = None
    """Pixels of a side of the images that are trained on; by default 16."""
    backbone: str | None = None
    """Encoder that is trained, as for `fullrank train`; by default tiny."""
    download: bool = False
    """Let a named data set be downloaded where it is not on this machine."""


def paper(options: PaperOptions, console: Console) -> int:
    """Do what the options say; the exit code."""
    from fullrank.engine.options import require_numbers

    require_numbers(vars(options), {"seeds": 1, "seed_from": 0, "steps": 1, "image_size": 1})
    _require_one_thing(options)
    if options.judge is not None:
        from fullrank.commands._rejudge import rejudge

        print("\n".join(rejudge(options.judge)))
        return 0
    if options.published:
        from fullrank.papers.published import listing as published

        results = Path(__file__).parents[2] / "docs" / "results"  # where FullRank is used from its source
        print(published(results if results.is_dir() else None))
        return 0
    if options.name is None and not options.all:
        print(listing())
        return 0
    if options.name is not None:
        load(options.name)  # an experiment that does not exist is said first
    if options.out is None:
        raise UserError("An experiment needs a folder for its result: pass --out.")
    if options.name is not None:
        run_one(options.name, options.out, options, console)
        return 0
    return _run_all(options.out, options, console)


def _require_one_thing(options: PaperOptions) -> None:
    """Raise a UserError where two things are asked for, or a flag is passed that the one asked for does not read."""
    named = {name: getattr(options, name) for name in ("judge", "published", "all")}
    asked = [*filter(None, [options.name]), *(f"--{name}" for name, value in named.items() if value)]
    if len(asked) > 1:
        raise UserError(f"Pass {asked[0]} or {asked[1]}, not both.")
    if options.yes and not options.full:
        raise UserError("--yes answers what --full asks: leave it away, or pass --full.")
    if options.name is not None or options.all:
        return
    for field in dataclasses.fields(options):
        if field.name not in named and getattr(options, field.name) != field.default:
            of_a_run = f"{as_flag(field.name)} is for running experiments"
            remedy = f"leave it away with {asked[0]}" if asked else "pass the name of an experiment, or --all"
            raise UserError(f"{of_a_run}: {remedy}.")


def run_one(name: str, out: Path, options: PaperOptions, console: Console) -> None:
    """Run an experiment into `out`: result.json, figure.svg, and one paragraph on the console.

    One that was stopped goes on: its trainings resume from their checkpoints. One of fewer seeds gets the others.
    Raises UserError if `out` holds the finished experiment, or something else.
    """
    experiment, entry = load(name), catalog()[name]
    if options.full and options.name and not entry.full:
        raise UserError(f"{name} has its full size already: leave --full away.")
    settings = Settings(
        out=out,
        full=options.full,
        seeds=options.seeds,
        seed_from=options.seed_from,
        data=_data(entry, options),
        data_root=options.data_root,
        **_sizes(entry, options),
    )
    if options.full and entry.trainings and not options.yes:
        _ask_on_a_cpu(entry, options.seeds)
    config = _begin(name, settings)
    with _timed(out, config), progress(console, name, 100, "%") as show:
        outcome = experiment.run(dataclasses.replace(settings, progress=lambda share: show(round(100 * share))))
    spent = {key: config[key] for key in ("seconds", "cpu_seconds")}
    write_json(out / "result.json", {**_result(experiment, entry, outcome, settings), **spent})

    from fullrank.report import write_figure
    from fullrank.report.papers.gallery import said

    figure = write_figure(out / "result.json", out / "figure.svg")
    headline, *others = read_json(out / "result.json")["parts"]
    say(console, f"{name}: {said(headline)}. {outcome.measured}")
    for part in others:
        say(console, f"  {said(part)}")
    say(console, f"The claim ({entry.paper}): {entry.claim}\nFigure: {figure}")


def _ask_on_a_cpu(entry: Entry, seeds: int) -> None:
    """Raise a UserError unless there is a GPU, or somebody answers that a CPU is meant."""
    import torch

    if torch.cuda.is_available():
        return
    trainings = f"{entry.trainings * seeds} trainings of ResNet-18{hours(entry, seeds)}"
    what = f"{entry.name} --full is {trainings}, and there is no GPU here"
    if not sys.stdin.isatty():
        raise UserError(f"{what}: pass --yes to train on the CPU, which takes weeks.")
    if input(f"{what}: train on the CPU, which takes weeks? [y/N] ").strip().lower() not in ("y", "yes"):
        raise UserError("Nothing was started: leave --full away for a small training.")


def _run_all(out: Path, options: PaperOptions, console: Console) -> int:
    """Run what is not there yet; with --data or a size of trainings, only the experiments that train on images."""
    from fullrank.report import write_gallery

    trained = any(getattr(options, name) is not None for name in ("data", *_SIZES))
    chosen = [name for name, entry in catalog().items() if entry.data or not trained]
    for at, name in enumerate(chosen, 1):
        if not _finished(out / name, options.seeds):
            say(console, f"{at} of {len(chosen)}:")
            run_one(name, out / name, options, console)
        write_gallery([out / done / "result.json" for done in chosen[:at]], out / "index.html")
    say(console, f"Gallery: {out / 'index.html'}")
    return 0


def _data(entry: Entry, options: PaperOptions) -> str:
    of_images = ("data", "data_root", "download")
    asked = [name for name in of_images if options.name and getattr(options, name)]  # --all: for those that read
    if asked and not entry.data:
        raise UserError(f"{entry.name} makes up its data: leave {as_flag(asked[0])} away.")
    chosen = options.data or entry.data
    if options.data or (entry.data and options.download):
        from fullrank.data import DataOptions, load_dataset
        from fullrank.data.sources.acting import refuse_idle_reading

        reading = DataOptions(download=options.download)  # a wrong name is an error before anything is written
        refuse_idle_reading(chosen, reading, root=options.data_root)
        load_dataset(chosen, root=options.data_root, options=reading)
    return chosen


def _sizes(entry: Entry, options: PaperOptions) -> dict[str, Any]:
    """What is asked of trainings on images; raises UserError where the experiment has none."""
    asked = {name: value for name in _SIZES if (value := getattr(options, name)) is not None}
    for name, value in asked.items():
        if not entry.data:
            raise UserError(f"{entry.name} trains on no images: leave {as_flag(name)} away.")
        if isinstance(value, int) and value < 1:
            raise UserError(f"{as_flag(name)} is {value}: pass at least 1.")
    return asked


def _finished(out: Path, seeds: int) -> bool:
    """Whether the folder has a result of at least so many seeds, or one to which none can be added."""
    if not (out / "result.json").exists():
        return False
    done = read_json(out / "result.json").get("seeds")
    return not isinstance(done, list) or len(done) >= seeds or not (out / "config.json").exists()


def _begin(name: str, settings: Settings) -> dict[str, Any]:
    """Take the folder for these settings, unless a run that was stopped or had fewer seeds did; its config.json."""
    out = settings.out
    chosen = {"experiment": name, "full": settings.full, "data": settings.data, "seed_from": settings.seed_from}
    chosen |= {name: getattr(settings, name) for name in _SIZES}
    chosen |= {"images_in": _images_in(settings)}
    if (out / "config.json").exists():
        config = {"images_in": chosen["images_in"], **read_json(out / "config.json")}  # a former one does not say it
        if {key: config.get(key) for key in chosen} != chosen:
            raise UserError(f"{out} was begun with other settings (see its config.json): pass those, or another --out.")
        if _finished(out, settings.seeds):
            raise UserError(f"{out} holds a finished experiment: pass more --seeds, or another --out.")
        if not all(isinstance(config.get(spent), int | float) for spent in ("seconds", "cpu_seconds")):
            raise UserError(f"{out / 'config.json'} does not say how long it took: pass another --out.")
        return config | {"seeds": settings.seeds}
    if (out / "result.json").exists():
        raise UserError(f"{out} holds a finished experiment: pass another --out.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} exists already and is not an experiment: pass another --out.")
    with full_disk_is_an_error(out):
        out.mkdir(parents=True, exist_ok=True)
    config = {**chosen, "seeds": settings.seeds, "seconds": 0.0, "cpu_seconds": 0.0}
    write_json(out / "config.json", config)
    return config


def _images_in(settings: Settings) -> str:
    """Where the images are: the whole path of a file or folder, or the folder of named sets; else nothing."""
    place = Path(settings.data) if settings.data and Path(settings.data).exists() else settings.data_root
    return str(place.resolve()) if place else ""


@contextmanager
def _timed(out: Path, config: dict[str, Any]) -> Iterator[None]:
    """Add the time of the body to the config, also where it is stopped; every go counts."""
    wall, cpu = time.monotonic(), time.process_time()
    try:
        yield
    finally:
        config["seconds"] = round(config["seconds"] + time.monotonic() - wall, 2)
        config["cpu_seconds"] = round(config["cpu_seconds"] + time.process_time() - cpu, 2)
        write_json(out / "config.json", config)


def _result(experiment: Experiment, entry: Entry, outcome: Outcome, settings: Settings) -> dict[str, Any]:
    """result.json but for the times."""
    rows = [plain(row | _seed(row, settings.seed_from)) for row in outcome.rows]
    parts = judged(experiment.parts, rows)
    flags = ["--full"] if settings.full else []
    flags += ["--seeds", str(settings.seeds)]
    flags += ["--seed-from", str(settings.seed_from)] if settings.seed_from else []
    flags += ["--data", settings.data] if settings.data else []
    flags += ["--data-root", str(settings.data_root)] if settings.data_root else []
    sizes = {name: value for name in _SIZES if (value := getattr(settings, name)) is not None}
    for name, value in sizes.items():
        flags += [as_flag(name), str(value)]
    again = command("paper", entry.name, "--out", settings.out, *flags)
    return {
        "name": entry.name,
        "paper": entry.paper,
        "title": entry.title,
        "claim": entry.claim,
        "verdict": parts[0]["label"],
        "parts": parts,
        "seeds": [*settings.each_seed],
        "data": settings.data,
        **sizes,
        "measured": outcome.measured,
        "command": again,
        "versions": {name: version(name) for name in ("fullrank", "torch", "numpy")},
        "rows": rows,
        "panels": [plain(dataclasses.asdict(panel)) for panel in outcome.panels],
    }


def _seed(row: Mapping[str, str | float], first: int) -> dict[str, float]:
    return {"seed": int(row["seed"]) + first} if "seed" in row else {}


def run(arguments: list[str]) -> int:
    """Run the command; returns the exit code."""
    return paper(parse(PaperOptions, arguments, "paper"), terminal())
