"""Which command made the folder of a run, by its config.json; what that folder is good for where another is needed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fullrank.errors import UserError, command

_MADE_BY = {"detection": "detect", "finetuning": "finetune"}
_OF_ENCODER = "(evaluate needs --protocol with it, and diagnose --data)"


def made_by(config: Mapping[str, Any]) -> str:
    """The command that made a run.

    >>> made_by({"kind": "detection"}), made_by({"recipe": "intl"}), made_by({"experiment": "intl/toy"})
    ('detect', 'train', 'paper')
    """
    return "paper" if "experiment" in config else _MADE_BY.get(str(config.get("kind")), "train")


def _again(made: str, run: Path) -> str:
    """What goes on with a run that one of these commands made."""
    return {
        "train": command("train", "--resume", run),
        "finetune": command("finetune", "--resume", run),
        "detect": command("detect", "--resume", run),
    }[made]


def goes_on_by(run: Path, config: Mapping[str, Any]) -> str | None:
    """The command that goes on with an unfinished run; None where there is none.

    >>> goes_on_by(Path("ft"), {"kind": "finetuning"}), goes_on_by(Path("mine"), {"of": "somebody else"})
    ('fullrank finetune --resume ft', None)
    """
    known = "recipe" in config or str(config.get("kind")) in _MADE_BY
    made = made_by(config)
    return _again(made, run) if known and made != "paper" and not (run / "result.json").exists() else None


def require_training(run: Path, config: Mapping[str, Any]) -> None:
    """Raise a UserError where a folder is the run of another command than train, with the encoder to pass instead.

    >>> require_training(Path("ft"), {"kind": "finetuning"})
    Traceback (most recent call last):
    fullrank.errors.UserError: ft is a run of `fullrank finetune`, which is not finished: go on with `fullrank ...`.
    """
    made, page = made_by(config), run / "report.html"
    if made == "train":
        return
    what = f"{run} is a run of `fullrank {made}`"
    if made != "paper" and not (run / "result.json").is_file():
        raise UserError(f"{what}, which is not finished: go on with `{_again(made, run)}`.")
    encoders = sorted(map(str, run.glob("fine-tuned-*/encoder.safetensors")))
    if made == "detect" and isinstance(began := config.get("encoder"), dict) and "place" in began:
        encoders = [str(began["place"])]
    if not encoders:
        raise UserError(f"{what}: its page is {page}, and it holds no encoder, so pass a run of `fullrank train`.")
    raise UserError(f"{what}: its page is {page}, and the encoder to pass is {encoders[0]} {_OF_ENCODER}.")


def require_made_by(made: str, run: Path, config: Mapping[str, Any]) -> None:
    """Raise a UserError where a run that is to go on is that of another command.

    >>> require_made_by("train", Path("de"), {"kind": "detection"})
    Traceback (most recent call last):
    fullrank.errors.UserError: de is a run of `fullrank detect`: go on with `fullrank detect --resume de`.
    """
    other = made_by(config)
    if other == made:
        return
    what = f"{run} is a run of `fullrank {other}`"
    if (run / "result.json").is_file():
        raise UserError(f"{what} and finished: its page is {run / 'report.html'}.")
    if other == "paper":
        raise UserError(f"{what}: repeat that command with --out {run}, and it goes on.")
    raise UserError(f"{what}: go on with `{_again(other, run)}`.")
