"""One thread: tests run beside others, and tiny tensors are slower with more. What is left out is said."""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from fullrank.report import write_report
from tests import on_device
from tests.report.run_folders import write_run

torch.set_num_threads(1)

ROOT = Path(__file__).parent.parent
FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz")


def installed(package: str) -> bool:
    """Whether a program of this name, or Debian's Fashion-MNIST, is on this machine."""
    return FASHION_MNIST.exists() if package == "dataset-fashion-mnist" else shutil.which(package) is not None


def pytest_collection_finish() -> None:
    """Tell the garbage collector to leave what is imported alone; it would walk over it hundreds of times."""
    gc.collect()
    gc.freeze()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out, by name, what needs a package that is missing; in CI nothing may be left out."""
    for marker in item.iter_markers("debian"):
        (package,) = marker.args
        if not installed(package):
            leave_out = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
            leave_out(f"{item.nodeid} needs Debian's {package}: run 'sudo apt-get install {package}'.")


class LeftOut:
    """Counts the slow tests that `-m "not slow"` leaves out, also where processes of xdist collect them."""

    def __init__(self) -> None:
        self.count = 0

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        self.count += sum(item.get_closest_marker("slow") is not None for item in items)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        getattr(session.config, "workeroutput", {})["left out"] = self.count  # what this process tells xdist's first

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self.count = node.workeroutput.get("left out", 0)  # every process collects all tests

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.count:
            terminalreporter.write_line(f"{self.count} slow tests were left out: `make test-all` runs them too.")


def pytest_addoption(parser: pytest.Parser) -> None:
    where = "of tests that take one; without it a GPU is out of sight"
    parser.addoption("--device", choices=("cpu", "cuda"), default="cpu", help=f"the device {where}")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(LeftOut())
    on_device.choose(config)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    on_device.mark(items)


@pytest.fixture(scope="session")
def device(request: pytest.FixtureRequest) -> torch.device:
    """Where tensors are and trainings happen: --device."""
    return torch.device(request.config.getoption("--device"))


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing is kept in the folders of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def shown() -> set[str]:
    """What lies in the project's folder, without what tools hide there."""
    return {name for name in os.listdir(ROOT) if name[0] not in "._"}


BEFORE = shown()


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """No test writes into the project's folder."""
    yield
    assert shown() - BEFORE == set(), "a test left this in the folder of the project"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished, healthy run folder."""
    return write_run(tmp_path / "run")


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a healthy and of a collapsed run, written once for all tests that only look at it."""
    folder = tmp_path_factory.mktemp("pair")
    good = write_run(folder / "good")
    bad = write_run(folder / "bad", decay=0.3, recipe="simsiam", lr=0.05)
    return write_report([good, bad], folder / "report.html")
