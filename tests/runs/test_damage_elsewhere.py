"""Files beside those of a run that are read again: whatever they hold, what reads them ends in order."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from fullrank.cli import main
from fullrank.data import DataOptions
from fullrank.data.files import index
from fullrank.data.files.folder import read_folder
from fullrank.data.missing import read_missing, restored
from fullrank.engine.signals import Ending
from fullrank.errors import UserError
from fullrank.runs.spectra import append_spectra, read_rows_of_spectra
from fullrank.runs.trusted import require_trust, trust_file, trusted_files
from tests.cli.test_signals import other_training
from tests.data.files import by_class, quiet
from tests.runs.mutations import mutated, values_changed

TRIES = 200


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return by_class(tmp_path / "photos", "ab", 6)


@pytest.mark.slow
def test_rows_of_spectra_that_are_mutated_at_random_are_right_or_left_out(tmp_path: Path) -> None:
    for step in (2, 4, 6):
        append_spectra(tmp_path, step, {"embedding": np.arange(8.0) * step, "backbone": np.arange(16.0)})
    path = tmp_path / "spectra.rows"
    content, whole = path.read_bytes(), read_rows_of_spectra(path)
    kept = {int(step): row.tobytes() for step, row in zip(whole["steps"], whole["embedding"], strict=True)}
    for seed in range(TRIES):
        path.write_bytes(mutated(content, seed))
        with suppress(UserError):
            found = read_rows_of_spectra(path)
            if "embedding" in found and found["embedding"].shape[1:] == (8,):
                for step, row in zip(found["steps"], found["embedding"], strict=True):
                    assert kept[int(step)] == row.tobytes()


@pytest.mark.slow
def test_a_record_of_missing_images_that_is_mutated_at_random_is_read(photos: Path, tmp_path: Path) -> None:
    images = read_folder(photos, options=DataOptions(), say=quiet).train
    record = tmp_path / "missing.jsonl"
    row = {"file": "a/9.png", "row": 3, "page": 0, "size": 99, "class": "a", "reason": "gone"}
    content = "".join(json.dumps(row | {"file": f"a/{at}.png", "row": at}) + "\n" for at in range(9, 12))
    for seed in range(TRIES):
        for damaged in (mutated(content.encode(), seed), values_changed(content, seed).encode("latin-1")):
            record.write_bytes(damaged)
            with suppress(UserError):
                assert len(restored(images, record, photos)) <= len(images) + len(read_missing(record))


@pytest.mark.slow
def test_an_index_that_is_mutated_at_random_is_looked_at_again(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(index, "FEWEST", 1)
    whole = read_folder(photos, options=DataOptions(), say=quiet).train
    (kept,) = (tmp_path / "cache").rglob("*.npz")
    content = kept.read_bytes()
    for seed in range(TRIES // 2):
        kept.write_bytes(mutated(content, seed))
        assert read_folder(photos, options=DataOptions(), say=quiet).train.files == whole.files


@pytest.mark.slow
def test_a_list_of_trusted_files_that_is_mutated_at_random_trusts_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    mine, theirs = tmp_path / "mine.py", tmp_path / "theirs.py"
    mine.write_text("one = 1\n")
    theirs.write_text("two = 2\n")
    trust_file(mine)
    content = trusted_files().read_bytes()
    for seed in range(TRIES):
        trusted_files().write_bytes(mutated(content, seed))
        with pytest.raises(UserError, match="names code that you have not run"):
            require_trust(theirs, "config.json", trust=False)
        with suppress(UserError):
            require_trust(mine, "config.json", trust=False)
        require_trust(mine, "config.json", trust=True)  # and the list is whole again
        require_trust(mine, "config.json", trust=False)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["finetune", "detect"])
def test_settings_of_other_trainings_that_are_mutated_are_read_or_refused(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All but the training itself."""
    room = "transfer.finetune" if command == "finetune" else "detection.fit"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(f"fullrank.{room}.finish", lambda *_: Ending(False, 15))
    arguments, again = other_training(command, tmp_path)
    assert main(arguments) == 143
    config = tmp_path / "out" / "config.json"
    content = config.read_text()
    codes = []
    for seed in range(40):
        for damaged in (mutated(content.encode(), seed), values_changed(content, seed).encode("latin-1")):
            config.write_bytes(damaged)
            codes.append(main(again))
            error = capsys.readouterr().err
            assert codes[-1] in (2, 143)
            assert error.count("\n") == (codes[-1] == 2), error
    assert set(codes) == {2, 143}
