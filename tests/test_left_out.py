"""What `make demo` installs, and which tests are left out where."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import LeftOut, pytest_runtest_setup

ROOT = Path(__file__).parent.parent


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make as from a shell, also where make runs the tests: it hands its own flags on in the environment."""
    outside = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    return subprocess.run(["make", *arguments], cwd=ROOT, capture_output=True, text=True, env=outside)


@pytest.fixture
def needy(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> pytest.Item:
    """A test that needs chromium, on a machine that has none."""
    monkeypatch.setenv("PATH", "/nowhere")
    item: pytest.Item = request.node
    item.add_marker(pytest.mark.debian("chromium"))
    return item


def test_a_test_whose_package_is_missing_is_left_out_by_name(
    needy: pytest.Item, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=f"{needy.name} needs Debian's chromium: run"):
        pytest_runtest_setup(needy)


def test_in_ci_no_test_is_left_out(needy: pytest.Item, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="needs Debian's chromium"):
        pytest_runtest_setup(needy)


def test_slow_tests_that_are_left_out_are_counted(request: pytest.FixtureRequest) -> None:
    left_out = LeftOut()
    left_out.pytest_deselected([request.node])
    assert left_out.count == 0
    request.node.add_marker(pytest.mark.slow)
    left_out.pytest_deselected([request.node])
    assert left_out.count == 1


@pytest.mark.parametrize(("target", "extra"), [("demo", "."), ("test", "'.[test]'")])
def test_only_the_tests_install_the_test_extra(target: str, extra: str, tmp_path: Path) -> None:
    done = make("--dry-run", f"VENV={tmp_path}", target)
    assert done.returncode == 0, done.stderr
    installs = [line for line in done.stdout.splitlines() if "pip install" in line]
    assert [line.split("--editable ")[1] for line in installs] == [extra]


def test_a_machine_without_python_is_told_what_to_install(tmp_path: Path) -> None:
    done = make(f"VENV={tmp_path}", "PYTHON=python3-that-is-missing", "demo")
    assert done.returncode == 2
    assert done.stdout == (
        "python3-that-is-missing is missing: run 'sudo apt-get install python3 python3-venv' first.\n"
    )
