"""Every command that FullRank prints can be pasted: its words survive a shell, and its own parser takes them."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import fullrank
from fullrank import commands
from fullrank.cli import COMMANDS, main
from fullrank.errors import command

ROOT = Path(fullrank.__file__).parent
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(ROOT.rglob("*.py"))}
HARD = "my rüns/it's $HOME [1]"
# What stands for what a reader is to fill in, or for a name that the program knows.
FILLED = {
    "RECIPE": "intl",
    "RUN": HARD,
    "IMAGES": HARD,
    "FILE": HARD,
    "COMMAND": "train",
    "name": "intl",
    "by": "train",
    "recipe or run.recipe": "simclr",
    "f'--{name}'": "--epochs",
    "str(max(2 * amount, least))": "2",
}
STARRED = {  # several words at once; by default flags
    "*data": [HARD],
    "*_images(run)": [HARD],
    "*_anew(run)": ["--data", HARD],
    "*arguments": [HARD, "--protocol", "intl"],
}
BEGINS = re.compile(rf"\bfullrank ({'|'.join(COMMANDS)})\b")


class Parsed(Exception):
    """A command line was understood."""


def understood(words: list[str], monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the real parser of the command takes these words; nothing is done."""
    module = import_module(f"{commands.__name__}.{words[0]}")

    def parse(*arguments: Any) -> None:
        from fullrank.commands._common import parse

        parse(*arguments)
        raise Parsed

    with monkeypatch.context() as patch:
        if hasattr(module, "parse"):
            patch.setattr(module, "parse", parse)
        try:
            return main(words) == 0
        except Parsed:
            return True
        except SystemExit as ended:
            return ended.code == 0


def calls() -> Iterator[tuple[str, list[str]]]:
    """The place and words of every command that is put together from paths and names."""
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "command"):
                continue
            if path.name == "published.py":  # tests/papers/test_published.py has each of them parsed
                continue
            words = []
            for word in node.args:
                if isinstance(word, ast.Constant):
                    words.append("imagenet" if word.value == "NAME" else FILLED.get(str(word.value), str(word.value)))
                elif isinstance(word, ast.Starred):
                    words += STARRED.get(ast.unparse(word), ["--seeds", "1", "--data", HARD])
                else:
                    said = ast.unparse(word)
                    words.append("w2/theory" if said == "entry.name" else FILLED.get(said, HARD))
            yield f"{path.relative_to(ROOT)}:{node.lineno}", without_like(words)


def without_like(words: list[str]) -> list[str]:
    """The words without `--like RUN`, as that run is read before anything is parsed."""
    at = words.index("--like") if "--like" in words else len(words)
    return words[:at] + words[at + 2 :]


def fixed() -> Iterator[tuple[str, list[str]]]:
    """The place and words of every command that stands in a text as it is, in backticks or as the whole text.

    What a docstring of a file or function says is for readers of code: it shows how a command is called.
    """
    for path, tree in TREES.items():
        documented = [node for node in ast.walk(tree) if isinstance(node, ast.Module | ast.FunctionDef)]
        skipped = {ast.get_docstring(node, clean=False) for node in documented}
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Constant) and isinstance(node.value, str)) or node.value in skipped:
                continue
            texts = re.findall(r"`(fullrank [^`]+)`", node.value)
            texts += [node.value] if re.match(r"fullrank [a-z]", node.value) and "\n" not in node.value else []
            for text in texts:
                words = shlex.split(text.split("|")[0])[1:]
                if words[0] in COMMANDS and len(words) > 1:
                    yield (
                        f"{path.relative_to(ROOT)}:{node.lineno}",
                        without_like([FILLED.get(word, word) for word in words]),
                    )


@pytest.mark.slow
def test_no_command_is_put_together_by_hand() -> None:
    """A path in a command goes through `command`, which quotes it."""
    by_hand = []
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.JoinedStr):
                continue
            parts = node.values
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "\0" for part in parts)
            found = BEGINS.search(text)
            if found and re.match(r"[^`\n;,]*\0", text[found.end() :]):
                by_hand.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert by_hand == []


@pytest.mark.parametrize(("place", "words"), [*calls(), *fixed()])
def test_a_printed_command_is_understood(
    place: str, words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shlex.split(command(*words)) == ["fullrank", *words]
    assert understood(words, monkeypatch), f"{place}: {capsys.readouterr().err}"


@pytest.mark.slow
def test_the_test_finds_commands_and_would_notice_wrong_ones(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len([*calls()]) >= 12
    assert len([*fixed()]) >= 6
    assert not understood(["evaluate", HARD, "--no-such-flag"], monkeypatch)
    assert not understood(["train", "--resume", HARD, "more"], monkeypatch)
    assert "no-such-flag" in capsys.readouterr().err
