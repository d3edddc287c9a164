"""Which files of code the user has run: what a run's folder names is run only if it is one of them, as it was then.

The list is the user's own, outside of any run: a hash in a folder of somebody else's would vouch for itself.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from fullrank.errors import UserError
from fullrank.runs.files import write_json


def is_file_of_code(name: str) -> bool:
    """Whether a backbone's name is a file of one's own rather than a name of a library.

    >>> is_file_of_code("./net.py:Net"), is_file_of_code("resnet18.a1_in1k")
    (True, False)
    """
    return ".py:" in name or name.endswith(".py")


def file_of_code(name: str) -> Path:
    """The file that such a name is of.

    >>> str(file_of_code("/home/net.py:Net")), str(file_of_code("/home/mine.py"))
    ('/home/net.py', '/home/mine.py')
    """
    return Path(name.rpartition(":")[0] if ".py:" in name else name)


def trusted_files() -> Path:
    """Where the list is: $XDG_STATE_HOME/fullrank/trusted.json, by default below ~/.local/state."""
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "fullrank" / "trusted.json"


def trust_file(file: Path) -> None:
    """Note that the user runs this file as it is now; where the list cannot be written, nothing is noted."""
    with suppress(OSError, UserError):
        place = trusted_files()
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_json(place, _known() | {str(file.resolve()): _hash(file)})


def require_trust(file: Path, whose: str, *, trust: bool, remedy: str = "pass --trust if it may run") -> None:
    """Refuse a file, which `whose` names, that the user has never run as it is now; `trust` notes and allows it."""
    if not file.is_file():
        raise UserError(f"There is no file {file}, which {whose} names: put it back.")
    if trust:
        trust_file(file)
    elif _known().get(str(file.resolve())) != _hash(file):
        raise UserError(f"{whose} names code that you have not run as it is now ({file}): read it, and {remedy}.")


def _known() -> dict[str, Any]:
    """The hash of each file, by its path."""
    with suppress(OSError, ValueError, RecursionError):
        found = json.loads(trusted_files().read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else {}
    return {}


def _hash(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
