"""Hugging Face's data sets by name and from a copy of a repository, through its own library and a hub of the test's."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image

from fullrank.data import DataOptions, load_dataset
from fullrank.data.identity import absolute
from fullrank.errors import UserError
from tests.data.test_objects import LABELS, PIXELS

datasets = pytest.importorskip("datasets")
_COMMIT = "a" * 40
_LINE = "24 images, 3 classes (a, b, ...), 6 test images; trained on train, tested on test; images of img, labels of y"


def repository(root: Path, *folders: str) -> Path:
    """A repository as it lies on the hub: parquet files, and a README that names the configurations."""
    features = datasets.Features({"img": datasets.Image(), "y": datasets.ClassLabel(names=["a", "b", "c"])})
    rows = {"img": [Image.fromarray(one) for one in PIXELS], "y": LABELS}
    whole = datasets.Dataset.from_dict(rows, features=features)
    for folder in folders:
        (root / folder).mkdir(parents=True)
        whole.to_parquet(str(root / folder / "train-00000-of-00001.parquet"))
        whole.select(range(6)).to_parquet(str(root / folder / "test-00000-of-00001.parquet"))
    configs = [{"config_name": folder, "data_dir": folder} for folder in folders]
    about = {"license": "mit"} | ({"configs": configs} if len(folders) > 1 else {})
    (root / "README.md").write_text(f"---\n{json.dumps(about)}\n---\n# Birds\n", encoding="utf-8")
    return root


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's cache in the folder of the test."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def test_a_copy_of_a_repository_is_read_as_the_hub_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository(tmp_path / "birds", "data")
    data = load_dataset(f"hf:{tmp_path / 'birds'}")
    assert data.inventory().line() == f"birds: {_LINE}"
    assert data.train.labels is not None
    assert data.train.labels.tolist() == LABELS
    monkeypatch.chdir(tmp_path)
    assert absolute("hf:birds") == f"hf:{tmp_path / 'birds'}"


def test_labels_of_the_test_split_count_the_classes_of_the_training_split(tmp_path: Path) -> None:
    def split(labels: list[str]) -> Any:
        rows = {"img": [Image.fromarray(one) for one in PIXELS[: len(labels)]], "kind": labels}
        return datasets.Dataset.from_dict(rows).cast_column("img", datasets.Image())

    both = datasets.DatasetDict({"train": split(["a", "b", "c", "a"]), "test": split(["b", "c", "c", "d"])})
    both.save_to_disk(str(tmp_path / "kinds"))
    data = load_dataset(f"hf:{tmp_path / 'kinds'}", options=DataOptions(columns="img,kind"))
    assert data.test is not None
    assert data.test.labels is not None
    assert (data.train.classes, data.test.classes) == (("a", "b", "c"), ("a", "b", "c", "d"))
    assert data.test.labels.tolist() == [1, 2, 2, 3]


def test_a_test_split_may_have_no_labels_and_must_have_images(tmp_path: Path) -> None:
    """Without its column of labels it was a KeyError."""

    def split(**columns: Any) -> Any:
        features = {name: datasets.Image() if name == "img" else datasets.Value("string") for name in columns}
        return datasets.Dataset.from_dict(columns, features=datasets.Features(features))

    images = [Image.fromarray(one) for one in PIXELS[:4]]
    train = split(img=images, kind=["a", "b", "a", "b"])
    for name, test in (("bare", split(img=images)), ("empty", split(kind=["a"] * 4))):
        datasets.DatasetDict({"train": train, "test": test}).save_to_disk(str(tmp_path / name))
    asked = DataOptions(columns="img,kind")
    data = load_dataset(f"hf:{tmp_path / 'bare'}", options=asked)
    assert data.test is not None
    assert (data.train.classes, data.test.labels) == (("a", "b"), None)
    with pytest.raises(UserError, match="the split test has no column img: pass --split train"):
        load_dataset(f"hf:{tmp_path / 'empty'}", options=asked)
    assert load_dataset(f"hf:{tmp_path / 'empty'}", options=DataOptions(columns="img,kind", split="train")).test is None


def test_one_image_to_test_on_is_enough_and_one_to_train_on_is_not(tmp_path: Path) -> None:
    def saved(train: int, test: int) -> str:
        whole = datasets.Dataset.from_dict({"img": [Image.fromarray(one) for one in PIXELS]})
        whole = whole.cast_column("img", datasets.Image())
        parts = {"train": whole.select(range(train)), "test": whole.select(range(test))}
        datasets.DatasetDict(parts).save_to_disk(str(tmp_path / f"{train}-{test}"))
        return f"hf:{tmp_path / f'{train}-{test}'}"

    test = load_dataset(saved(4, 1)).test
    assert test is not None
    assert len(test) == 1
    with pytest.raises(UserError, match=r"^1-4 holds one image, and training needs at least 2: add images\.$"):
        load_dataset(saved(1, 4))


def test_several_configurations_are_a_question_that_the_name_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = repository(tmp_path / "birds", "large", "small")
    for asked, said in ((place, r"available configs: \['large', 'small'\]"), (f"{place}:tiny", "'tiny' not found")):
        with pytest.raises(UserError, match=rf"{said}.*: pass hf:{place}:CONFIG"):
            load_dataset(f"hf:{asked}")
    assert load_dataset(f"hf:{place}:small").inventory().line() == f"birds:small: {_LINE}"
    monkeypatch.chdir(tmp_path)
    assert absolute("hf:birds:small") == f"hf:{place}:small"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "hf: names no data set: pass hf:NAME or hf:PATH"),
        (
            "empty",
            r"hf:empty cannot be read \(.*\): pass a folder that save_to_disk wrote, or the files of a repository",
        ),
        ("org/none", r"hf:org/none cannot be read \(.*\): pass --download, or hf:PATH of a copy"),
    ],
)
def test_what_is_no_data_set_is_one_sentence(
    name: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    with pytest.raises(UserError, match=sentence):
        load_dataset(f"hf:{name}", options=DataOptions())


class _Hub(http.server.BaseHTTPRequestHandler):
    """What of the hub's interface its library asks for: one repository, org/birds."""

    root: Path
    asked: list[str]

    def do_HEAD(self) -> None:
        """Whether there is such a file."""
        self._answer()

    def do_GET(self) -> None:
        """A file, or JSON about the repository."""
        self.wfile.write(self._answer())

    def log_message(self, *_: Any) -> None:
        """Nothing."""

    def _answer(self) -> bytes:
        path = urlsplit(self.path).path
        self.asked.append(path)
        content, etag = self._content(path)
        self.send_response(404 if content is None else 200)
        self.send_header("X-Repo-Commit", _COMMIT)
        if content is None:
            missing = "EntryNotFound" if "/org/birds/" in path else "RepoNotFound"
            self.send_header("X-Error-Code", missing)
        self.send_header("ETag", etag)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        return content or b""

    def _content(self, path: str) -> tuple[bytes | None, str]:
        names = {file.relative_to(self.root).as_posix(): file for file in self.root.rglob("*") if file.is_file()}
        about, _, rest = path.partition("/org/birds")
        if about == "/api/datasets":
            _, kind, _, *folder = f"{rest}//".split("/")
            entries: Any = {"id": "org/birds", "sha": _COMMIT, "siblings": [{"rfilename": name} for name in names]}
            if kind == "tree":
                place = self.root / "/".join(folder).strip("/")
                entries = [_entry(self.root, each) for each in sorted(place.iterdir())] if place.is_dir() else []
            return json.dumps(entries).encode(), ""
        if about == "/datasets" and (name := rest.removeprefix("/resolve/").partition("/")[2]) in names:
            return names[name].read_bytes(), f'"{_entry(self.root, names[name])["oid"]}"'
        return None, ""


def _entry(root: Path, path: Path) -> dict[str, Any]:
    """What a listing of the hub says of a file or folder."""
    kind, content = ("file", path.read_bytes()) if path.is_file() else ("directory", b"")
    name = path.relative_to(root).as_posix()
    return {"type": kind, "oid": hashlib.sha1(content).hexdigest(), "size": len(content), "path": name}


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[tuple[http.server.ThreadingHTTPServer, list[str]]]:
    """A hub of the test's own, and the paths that were asked of it."""
    repository(tmp_path / "hub", "data")
    asked: list[str] = []
    handler = type("Hub", (_Hub,), {"root": tmp_path / "hub", "asked": asked})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server, asked
    server.shutdown()
    server.server_close()


_LOAD = """
import sys
from fullrank.data import DataOptions, load_dataset
from fullrank.errors import UserError
for name in sys.argv[2:]:
    try:
        print(load_dataset(name, options=DataOptions(download=sys.argv[1] == "download")).inventory().line())
    except UserError as error:
        print(error)
"""


@pytest.mark.slow
def test_a_name_is_downloaded_where_that_was_asked_and_read_from_the_cache_from_then_on(
    tmp_path: Path, hub: tuple[http.server.ThreadingHTTPServer, list[str]]
) -> None:
    server, asked = hub
    endpoint = f"http://127.0.0.1:{server.server_port}"
    environment = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path / "home")}

    def said(*arguments: str) -> list[str]:
        command = [sys.executable, "-c", _LOAD, *arguments]  # of its own: the library reads the variables as it begins
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    wrong, right = said("download", "hf:org/bird", "hf:org/birds")
    assert wrong.startswith("hf:org/bird cannot be read")
    assert wrong.endswith("check the name and the network.")
    assert right == f"birds: {_LINE}"
    assert f"/datasets/org/birds/resolve/{_COMMIT}/data/train-00000-of-00001.parquet" in asked
    asked.clear()
    assert said("keep", "hf:org/birds") == [f"birds: {_LINE}"]
    assert asked == []
