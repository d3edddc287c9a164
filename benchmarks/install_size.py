"""How much of an installation is the half that trains: `python -m benchmarks.install_size > FILE.json`.

Sizes are those of the files of each distribution that is installed here, with all that it requires on this system.
"""

from __future__ import annotations

import json
import platform
import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

TRAINING = ("torchvision", "timm", "lightning", "torchmetrics")  # what `diagnose` and `compare` never import


def closure(names: list[str]) -> set[str]:
    """These distributions and all that they require, without extras."""
    found: set[str] = set()
    while names:
        name = re.sub(r"[-_.]+", "-", names.pop()).lower()
        try:
            needed = distribution(name).requires or []
        except PackageNotFoundError:  # not for this system
            continue
        if name not in found:
            found.add(name)
            asked = [Requirement(one) for one in needed]
            names += [one.name for one in asked if one.marker is None or one.marker.evaluate({"extra": ""})]
    return found


def megabytes(names: set[str]) -> float:
    """Their files on this disk, in MiB."""
    files = [Path(str(file.locate())) for name in names for file in distribution(name).files or []]
    return round(sum(file.stat().st_size for file in files if file.exists()) / 2**20, 1)


def main() -> None:
    """Print the sizes as JSON."""
    ours = [one.name for one in map(Requirement, distribution("fullrank").requires or []) if one.marker is None]
    whole = closure(list(ours))
    half = closure([name for name in ours if name not in TRAINING])
    print(
        json.dumps(
            {
                "command": "python -m benchmarks.install_size",
                "python": platform.python_version(),
                "system": platform.system(),
                "torch": distribution("torch").version,
                "packages": len(whole),
                "packages_without_training": len(half),
                "mebibytes": megabytes(whole),
                "mebibytes_without_training": megabytes(half),
                "only_for_training": sorted(whole - half),
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
