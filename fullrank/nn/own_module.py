"""A network of one's own as a backbone: `./net.py:Net`, a class or function of a file that the user names."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from fullrank.errors import UserError, suggest
from fullrank.runs.trusted import file_of_code


def absolute(name: str) -> str:
    """The name with the whole path of its file; UserError where there is none.

    >>> absolute("nowhere.py:Net")
    Traceback (most recent call last):
    fullrank.errors.UserError: There is no file nowhere.py: pass the path of a file and a class in it, as in ...
    """
    file, _, made = name.rpartition(":") if ".py:" in name else (name, "", "")
    how = "the path of a file and a class in it, as in ./net.py:Net"
    if not Path(file).is_file():
        raise UserError(f"There is no file {file}: pass {how}.")
    if not made:
        raise UserError(f"{name} does not say which class is the backbone: pass {how}.")
    return f"{Path(file).resolve()}:{made}"


def code_hash(name: str) -> str:
    """The SHA-256 of the file that an absolute name is of; UserError if it has gone."""
    file = file_of_code(name)
    if not file.is_file():
        raise UserError(f"There is no file {file}, which holds this encoder's network: put it back.")
    return hashlib.sha256(file.read_bytes()).hexdigest()


def own_module(name: str, *, image_size: int, channels: int) -> nn.Module:
    """Run the file of an absolute name, and make its network.

    What is named is called without arguments, or with those of `image_size` and `channels` that it takes.
    """
    path, _, made = name.rpartition(":")
    spec = importlib.util.spec_from_file_location(f"fullrank_backbone_{Path(path).stem}", path)
    assert spec is not None
    assert spec.loader is not None
    code = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = code
    try:
        spec.loader.exec_module(code)
    except Exception as error:  # a file of the user's raises anything
        raise UserError(f"{path} cannot be run ({type(error).__name__}: {error}): mend it.") from error
    make: Callable[..., Any] | None = getattr(code, made, None)
    if not callable(make):
        kinds = [each for each, value in vars(code).items() if inspect.isclass(value) and issubclass(value, nn.Module)]
        raise UserError(f"{path} has no class {made}: {suggest(made, kinds, otherwise='check its spelling.')}")
    module = _called(make, name, {"image_size": image_size, "channels": channels})
    if not isinstance(module, nn.Module):
        raise UserError(f"{name} makes a {type(module).__name__}, no torch.nn.Module: return one.")
    return module


def _called(make: Callable[..., Any], name: str, offered: dict[str, int]) -> Any:
    try:
        known = inspect.signature(make).parameters
        return make(**{word: value for word, value in offered.items() if word in known})
    except TypeError as error:
        raise UserError(
            f"{name} cannot be made without arguments, or with image_size and channels ({error}): give the others "
            "defaults."
        ) from error
