"""A copy of the project with a mutant in it, and what the tests say of it."""

from __future__ import annotations

import importlib
import math
import os
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from fullrank.errors import UserError
from tests.mutants.declared import Mutant

Outcome = Literal["killed", "survived", "hung"]

OURS = ("fullrank", "tests", "docs", "benchmarks")  # packages that a trial must read from its copy
THEIRS = (
    "torch",
    "torchvision",
    "timm",
    "lightning.pytorch",
    "sklearn.linear_model",
    "hypothesis",
    "matplotlib.pyplot",
)
PATIENCE = 900.0  # seconds of the clock beyond the limit
PASSED, FAILED = 0, 1  # pytest's exit codes; others say that the tests did not run
_FAILED = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", re.MULTILINE)


@dataclass(frozen=True)
class Trial:
    """What became of a mutant, the first test that failed, and how long that took."""

    outcome: Outcome
    by: str | None
    seconds: float


def warm() -> None:
    """Import what the tests import of others, which each trial would otherwise do again."""
    for name in THEIRS:
        importlib.import_module(name)


@contextmanager
def copied(project: Path) -> Iterator[Path]:
    """A copy of the packages of a project and of the files beside them."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy = Path(folder) / "project"
        copy.mkdir()
        for path in project.iterdir():
            if path.is_file():
                shutil.copy2(path, copy)
            elif path.name in OURS:
                shutil.copytree(path, copy / path.name)
        yield copy


def tried(mutant: Mutant, copy: Path, limit: float) -> Trial:
    """Put a mutant into the copy, run its tests, and take it out again; tests that do not end in time have hung."""
    path = copy / mutant.file
    right = path.read_text(encoding="utf-8")
    times = path.stat()
    wrong = mutant.applied(right)
    try:
        path.write_text(wrong, encoding="utf-8")
        return run_tests(mutant.killed_by, copy, limit, why=f"with the mutant {mutant.name} in {mutant.file}")
    finally:
        path.write_text(right, encoding="utf-8")
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def run_tests(tests: Sequence[str], copy: Path, limit: float, *, why: str) -> Trial:
    """The tests in a process of their own, up to the first that fails; UserError if they cannot be run.

    The limit is of processor time, so that a busy machine makes no mutant hang; what waits for nothing gets PATIENCE.
    """
    begun = time.monotonic()
    log = copy.parent / "log"
    process = os.fork()
    if process == 0:
        _be_tests(tests, copy, log, limit)
    code = _ended(process, begun + PATIENCE + limit)
    seconds, said = round(time.monotonic() - begun, 1), log.read_text(encoding="utf-8", errors="replace")
    if code in (None, -signal.SIGXCPU):
        return Trial("hung", None, seconds)
    if code not in (PASSED, FAILED):
        raise UserError(f"The tests cannot be run {why} (exit code {code}): {said[-1500:]}")
    failed = _FAILED.search(said)
    return Trial("killed" if code == FAILED else "survived", failed.group(1) if failed else None, seconds)


def _be_tests(tests: Sequence[str], copy: Path, log: Path, limit: float) -> None:
    """Become pytest in the copy; never returns."""
    code = 70
    try:
        os.setsid()
        if limit < math.inf:
            resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(limit), resource.RLIM_INFINITY))
        target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(target, 1)
        os.dup2(target, 2)
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__  # not a capture of the caller's
        os.chdir(copy)
        here = Path(__file__).resolve().parents[2]
        sys.path[:] = [str(copy), *(path for path in sys.path if path and Path(path).resolve() != here)]
        os.environ |= {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        sys.dont_write_bytecode = True
        for name in [name for name in sys.modules if name.partition(".")[0] in OURS]:
            del sys.modules[name]
        code = int(pytest.main(["-x", "-q", "-rfE", "-p", "no:cacheprovider", f"--rootdir={copy}", *tests]))
    except BaseException:
        traceback.print_exc()
    finally:
        print(end="", flush=True)
        print(end="", flush=True, file=sys.stderr)
        os._exit(code)


def _ended(process: int, deadline: float) -> int | None:
    """The exit code of a process, or None if it, and what it has started, had to be killed."""
    while time.monotonic() < deadline:
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    with suppress(ProcessLookupError):
        os.killpg(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return None
