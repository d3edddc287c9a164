"""What torchvision reads or downloads."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fullrank.errors import UserError


def from_torchvision(name: str, root: Path | None, say: Callable[[str], None], make: Callable[..., Any]) -> Any:
    """Make a torchvision data set from what lies in `root`, downloaded first where it is missing."""
    if root is None:
        raise UserError(f"{name} needs a folder to be read from or downloaded to: pass --data-root.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy's remarks about how old files were pickled
        try:
            return make(root, download=False)
        except RuntimeError:  # torchvision's word for: not there, or another checksum
            say(f"{name} is not in {root}: downloading it with torchvision.")
        try:
            return make(root, download=True)
        except (OSError, RuntimeError) as error:
            raise UserError(
                f"{name} cannot be downloaded to {root} ({error}): check the network, or put the files there by hand."
            ) from error
