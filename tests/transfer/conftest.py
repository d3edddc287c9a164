"""What tests of the transfer begin from."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.transfer.made import write_source


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of an untrained encoder, in a folder with labeled images in made.npz."""
    monkeypatch.chdir(tmp_path)
    write_source(seed=0)
    return tmp_path
