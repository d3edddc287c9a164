"""A run is a folder; its files are written whole or not at all. Imports no torch."""

from __future__ import annotations

from fullrank.runs.files import (
    append_row,
    full_disk_is_an_error,
    new_run,
    read_rows,
    refuse_used,
    replace,
    write_json,
    write_npz,
    write_rows,
)
from fullrank.runs.reading import read_as_run, read_config, read_json
from fullrank.runs.sole_writer import sole_writer

__all__ = [
    "append_row",
    "full_disk_is_an_error",
    "new_run",
    "read_as_run",
    "read_config",
    "read_json",
    "read_rows",
    "refuse_used",
    "replace",
    "sole_writer",
    "write_json",
    "write_npz",
    "write_rows",
]
