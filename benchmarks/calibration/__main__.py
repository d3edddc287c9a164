"""The thresholds of a diagnosis against a population of embeddings.

python -m benchmarks.calibration make --out FOLDER            # hours at first: downloads, trains, writes sets
python -m benchmarks.calibration judge --sets FOLDER          # measures what is not measured yet, judges, writes
python -m benchmarks.calibration verdicts --sets FOLDER       # judges again what was measured before: seconds
python -m benchmarks.calibration tune --sets FOLDER           # what is wrong on the half that may be looked at
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from .pages import tuning_page, write_page
from .population import chosen
from .sets import make, read
from .verdicts import judged

DOCS = Path(__file__).parents[2] / "docs"


def main(arguments: list[str] | None = None) -> None:
    """Make, judge, or judge again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("make", help="write the sets")
    making.add_argument("--out", type=Path, required=True, help="folder of the sets, downloads and trainings")
    making.add_argument("--only", nargs="*", default=[], help="domains, names or halves of sources")
    for name in ("judge", "verdicts", "tune"):
        judging = commands.add_parser(name)
        judging.add_argument("--sets", type=Path, required=True, help="folder that `make` wrote")
        judging.add_argument("--again", action="store_true", help="measure again what other code has measured")
        judging.add_argument("--name", default="calibration", help="of the table on the page, and of its result")
        judging.add_argument("--docs", type=Path, default=DOCS, help="folder of calibration.md and its result")
    chosen_command = parser.parse_args(arguments)
    torch.set_num_threads(1)
    if chosen_command.command == "make":
        chosen_command.out.mkdir(parents=True, exist_ok=True)
        make(chosen_command.out, chosen(chosen_command.only))
        return
    sets = read(chosen_command.sets)
    if chosen_command.command != "judge":
        sets = [one for one in sets if (chosen_command.sets / "measurements" / f"{Path(one.file).stem}.json").exists()]
    if chosen_command.command == "tune":
        print(tuning_page(judged(chosen_command.sets, [one for one in sets if one.half == "tuning"], again=False)))
        return
    answers = judged(chosen_command.sets, sets, again=chosen_command.again)
    write_page(answers, chosen_command.docs, name=chosen_command.name)


if __name__ == "__main__":
    main()
