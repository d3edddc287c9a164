"""A network of one's own as a backbone: `./net.py:Net`, a class or function of a file that the user names."""

from __future__ import annotations

import hashlib
import inspect

from torch import nn

from fullrank.errors import UserError
from fullrank.runs.own_code import Wanted, called
from fullrank.runs.trusted import file_of_code

BACKBONE = Wanted("class", "is the backbone", "./net.py:Net")


def code_hash(name: str) -> str:
    """The SHA-256 of the file that an absolute name is of; raises UserError if it has gone."""
    file = file_of_code(name)
    if not file.is_file():
        raise UserError(f"There is no file {file}, which holds this encoder's network: put it back.")
    return hashlib.sha256(file.read_bytes()).hexdigest()


def own_module(name: str, *, image_size: int, channels: int) -> nn.Module:
    """Run the file of an absolute name, and make its network.

    What is named is called without arguments, or with those of `image_size` and `channels` that it takes.
    """
    module = called(name, {"image_size": image_size, "channels": channels}, BACKBONE, _is_network)
    if not isinstance(module, nn.Module):
        raise UserError(f"{name} makes a {type(module).__name__}, no torch.nn.Module: return one.")
    return module


def _is_network(value: object) -> bool:
    return inspect.isclass(value) and issubclass(value, nn.Module)
