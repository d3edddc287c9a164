"""What is installed from a built wheel is whole: every file of the package, and the demo from it alone."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.mark.slow
def test_the_wheel_has_every_file_of_the_package_and_nothing_else(wheel: Path) -> None:
    listed = subprocess.run(["git", "ls-files", "fullrank"], cwd=ROOT, check=True, capture_output=True, text=True)
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        assert {name for name in names if ".dist-info/" not in name} == set(listed.stdout.split())
        (metadata,) = (name for name in names if name.endswith("/METADATA"))
        assert "Requires-Dist: torch" in archive.read(metadata).decode()


@pytest.mark.slow
def test_it_runs_from_an_environment_of_its_own(wheel: Path, tmp_path: Path) -> None:
    """The wheel is all there is of FullRank; the libraries are those of this environment, by their folder alone."""
    venv.create(tmp_path / "venv", with_pip=False)
    (packages,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    (packages / "libraries.pth").write_text(f"{sysconfig.get_path('purelib')}\n")  # its own .pth files are not read
    python = tmp_path / "venv" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", "--quiet"]
    subprocess.run([*pip, str(wheel)], check=True)
    folder = tmp_path / "empty"
    folder.mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"OMP_NUM_THREADS": "1"}

    def said(*command: str | Path) -> str:
        done = subprocess.run(command, cwd=folder, env=environment, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert Path(said(python, "-c", "import fullrank; print(fullrank.__file__)").strip()).is_relative_to(packages)
    fullrank = tmp_path / "venv" / "bin" / "fullrank"
    assert said(fullrank, "--version") == f"fullrank {importlib.metadata.version('fullrank')}\n"
    said(fullrank, "demo", "--steps", "2")
    assert "<style>" in (folder / "runs" / "demo" / "report.html").read_text(encoding="utf-8")
    np.save(folder / "z.npy", np.random.default_rng(0).normal(size=(500, 16)))
    assert "No collapse found" in said(fullrank, "diagnose", "z.npy")
    assert "imagenet" in said(fullrank, "recipes", "intl")  # the presets are TOML
