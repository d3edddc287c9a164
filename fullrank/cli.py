"""The command line. A command's file is imported when it is called, so that --help is instant."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from fullrank.commands._common import unread_output
from fullrank.errors import UserError, printable, suggest

COMMANDS = (
    "demo",
    "train",
    "evaluate",
    "finetune",
    "detect",
    "embed",
    "neighbors",
    "export",
    "report",
    "diagnose",
    "compare",
    "paper",
    "recipes",
)

_HELP = """\
FullRank: self-supervised representation learning that uses every dimension.

usage: fullrank COMMAND [...]

{commands}

`fullrank COMMAND --help` tells more; --version prints the version, --debug shows the traceback of an error.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code is 0, 2 after bad input, 130 after an interruption, or the command's own.

    That is also the code when the reader of standard output has gone, as in `fullrank diagnose z.npy | head`.

    >>> main(["recipes", "--help"])
    usage: fullrank recipes [RECIPE]
    <BLANKLINE>
    List the recipes, or show one and its published settings.
    0
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before torch: threads that spin keep the cores from others
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    with unread_output():
        try:
            return _run(arguments)
        except UserError as error:
            if debug:
                raise
            print(f"fullrank: {printable(error)}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            if debug:
                raise
            print("fullrank: interrupted.", file=sys.stderr)
            return 130


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("--help", "-h", "help"):
        print(help_text(), end="")
        return 0
    if arguments[0] == "--version":
        from importlib.metadata import version

        print(f"fullrank {version('fullrank')}")
        return 0
    name, rest = arguments[0], arguments[1:]
    if name not in COMMANDS:
        raise UserError(f"There is no command {name}: {suggest(name, COMMANDS, otherwise='see `fullrank --help`.')}")
    return int(import_module(f"fullrank.commands.{name}").run(rest))


def help_text() -> str:
    """What `fullrank --help` prints: the first lines of every command's file, which is not imported."""
    lines = []
    for name in COMMANDS:
        source = (Path(__file__).parent / "commands" / f"{name}.py").read_text(encoding="utf-8")
        for line in (ast.get_docstring(ast.parse(source)) or "").split("\n\n")[0].splitlines():
            usage, _, purpose = line.removeprefix("`").partition("`: ")
            lines.append(f"  {usage:<35}  {purpose.removesuffix('.')}")
    return _HELP.format(commands="\n".join(lines))


if __name__ == "__main__":
    sys.exit(main())
