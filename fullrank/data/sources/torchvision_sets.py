"""What torchvision reads, and downloads only where it was asked to."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fullrank.errors import UserError


@dataclass(frozen=True)
class Place:
    """Where built-in sets are looked for, whether they may be downloaded to there, and who is told of it."""

    root: Path | None
    download: bool
    say: Callable[[str], None]


def from_torchvision(name: str, place: Place, make: Callable[..., Any]) -> Any:
    """Make a torchvision data set from what lies in the place.

    Raises UserError where it does not and nobody said download.
    """
    root = place.root
    if root is None:
        raise UserError(f"{name} needs a folder to be read from or downloaded to: pass --data-root.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy's remarks about how old files were pickled
        try:
            return make(root, download=False)
        except RuntimeError as error:  # torchvision's word for: not there, or another checksum
            if not place.download:
                raise UserError(
                    f"{name} is not in {root}, or damaged: pass --download to have torchvision put it there, or "
                    "another --data-root."
                ) from error
        place.say(f"{name} is not in {root}: downloading it with torchvision.")
        try:
            return make(root, download=True)
        except (OSError, RuntimeError) as error:
            raise UserError(
                f"{name} cannot be downloaded to {root} ({error}): check the network, or put the files there by hand."
            ) from error
