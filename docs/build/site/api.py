"""Names of Python to Markdown: signature and docstring, whose sections and examples become lists and code."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import textwrap
from collections.abc import Iterable, Iterator
from itertools import pairwise
from types import ModuleType

_SECTIONS = ("Args", "Attributes", "Returns", "Raises", "Yields")


def page(title: str, module: ModuleType, names: Iterable[str]) -> str:
    """A page of some public names of a module, functions and classes alike, in alphabetical order."""
    found = [entry(f"{module.__name__}.{name}", getattr(module, name)) for name in sorted(names, key=str.lower)]
    return "\n\n".join([f"# {title}", markdown(module), *(each for each in found if each)]) + "\n"


def entry(name: str, what: object) -> str:
    """A heading, the signature and the docstring of a function or class; empty for values and modules."""
    if not (inspect.isfunction(what) or inspect.isclass(what)):
        return ""
    short = name.rpartition(".")[2]
    try:
        signature = short + re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(inspect.signature(what)))
    except ValueError:  # classes that C made
        signature = short
    parts = [f"## {short}", f"```python\n{_folded(signature)}\n```", markdown(what)]
    if fields := described(what):
        parts += ["**Attributes**", "\n".join(f"- `{field}`: {_escaped(text)}" for field, text in fields.items())]
    return "\n\n".join(parts)


def described(what: object) -> dict[str, str]:
    """The fields of a record that have a docstring of their own behind them, its bases' first."""
    if not (inspect.isclass(what) and dataclasses.is_dataclass(what)):
        return {}
    found: dict[str, str] = {}
    for each in reversed([one for one in what.__mro__ if dataclasses.is_dataclass(one)]):
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(each))).body
        assert isinstance(tree, ast.ClassDef)
        for field, text in pairwise(tree.body):
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
                found[ast.unparse(field.target)] = inspect.cleandoc(str(text.value.value)).replace("\n", " ")
    return found


def markdown(what: object) -> str:
    """The docstring of anything as Markdown."""
    paragraphs = re.split(r"\n\s*\n", inspect.getdoc(what) or "")
    return "\n\n".join(part for paragraph in paragraphs for part in _parts(paragraph))


def _parts(paragraph: str) -> Iterator[str]:
    lines = paragraph.splitlines()
    head = lines[0].rstrip(":") if lines else ""
    if head in _SECTIONS:
        yield f"**{head}**"
        yield "\n".join(_items(inspect.cleandoc("\n".join(["", *lines[1:]])).splitlines()))
    elif lines and lines[0].startswith(">>>"):
        yield "\n".join(["```pycon", *lines, "```"])
    elif lines and all(line.startswith("    ") for line in lines):
        yield "\n".join(["```text", *(line[4:] for line in lines), "```"])
    else:
        yield _escaped("\n".join(lines))


def _items(lines: list[str]) -> Iterator[str]:
    """One list item per entry; what is indented deeper goes on with the entry before."""
    items: list[str] = []
    for line in lines:
        if line.startswith(" ") and items:
            items[-1] += f" {line.strip()}"
        else:
            items.append(line.strip())
    for item in items:
        name, colon, text = item.partition(": ")
        yield f"- `{name}`: {_escaped(text)}" if colon and re.fullmatch(r"[\w.*, ]+", name) else f"- {_escaped(item)}"


def _escaped(text: str) -> str:
    """Prose outside of code, whose stars, underscores, angles and dollars are meant as they stand."""
    pieces = re.split(r"(`[^`]*`)", text)
    return "".join(piece if piece.startswith("`") else re.sub(r"([*_<>$|\[\]])", r"\\\1", piece) for piece in pieces)


def _folded(signature: str) -> str:
    """One argument per line where the signature is long."""
    if len(signature) <= 100:
        return signature
    head, _, rest = signature.partition("(")
    depth, parts = 0, [""]
    inside, _, tail = rest.rpartition(")")
    for character in inside:
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return f"{head}(\n" + "".join(f"    {part.strip()},\n" for part in parts) + f"){tail}"
