"""What the commands share: parsing by tyro, and the console."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


def terminal() -> Console:
    """The terminal, or what stands in its place."""
    from rich.console import Console

    return Console()


def parse(kind: Any, arguments: list[str], command: str, default: Any = None) -> Any:
    """The dataclass `kind` from the arguments; tyro prints help and mistakes, and exits."""
    import tyro

    start = tyro.MISSING_NONPROP if default is None else default
    return tyro.cli(
        kind, args=arguments, prog=f"fullrank {command}", config=(tyro.conf.OmitArgPrefixes,), default=start
    )
