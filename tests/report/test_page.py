"""The page as text: what it says, what it must not contain, and how it is written."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import matplotlib
import numpy as np
import pytest

from fullrank.errors import UserError
from fullrank.report import write_report
from fullrank.report.html import write_html
from fullrank.report.runs.figures import losses
from fullrank.runs.run import read_run
from tests.report.run_folders import EMBEDDING, STEPS, write_run

HOSTILE = "<img src=x onerror=alert(1)>\"'&$x^{$ {{ 7 * 7 }} 像"


class Page(HTMLParser):
    """Tags with their attributes, and the text outside of styles."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def ids(self) -> list[str]:
        return [str(attributes["id"]) for _, attributes in self.tags if "id" in attributes]


@pytest.mark.slow
def test_one_run(run: Path, tmp_path: Path) -> None:
    out = write_report([run], tmp_path / "report.html")
    page = Page(out)
    assert out == tmp_path / "report.html"
    assert "run: Healthy" in page.text
    assert "The embedding uses its dimensions." in page.text
    for words in ("relative spread", "of 32", "69.0 %", "78.0 %", "60.0 %", "5 min", "batch_size", "3.11.7"):
        assert words in page.text
    assert [item.get("id") for item in page.named("figure")] == [
        "losses", "collapse", "knn", "final", "spectra0", "views0", "neighbors0", "cloud0",
    ]  # fmt: skip
    assert len(page.source) < 200_000


@pytest.mark.slow
def test_two_runs_share_their_curves(pair: Path) -> None:
    page = Page(pair)
    assert "2 runs: Healthy (1), Collapsed: dimensional (1). The best kNN accuracy is 69.0 %, by good." in page.text
    assert sum(item.get("id") == "losses" for item in page.named("figure")) == 1
    assert sum(str(item.get("id")).startswith("spectra") for item in page.named("figure")) == 2
    settings = page.source[page.source.index('<h2 id="settings">') :]
    table = settings[: settings.index("</table>")]
    assert re.findall(r'<th scope="row">(\w+)', table) == ["recipe", "lr"]
    assert "The same in all runs (5)" in settings


def test_a_run_with_nothing_but_a_config(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text(json.dumps({"recipe": "intl"}))
    page = Page(write_report([tmp_path / "run"], tmp_path / "report.html"))
    assert "run: Unfinished, at step 0" in page.text
    assert "The run has not finished, and has not recorded anything yet." in page.text
    assert page.named("figure") == []


@pytest.mark.slow
def test_an_unfinished_run_shows_what_there_is(run: Path, tmp_path: Path) -> None:
    (run / "result.json").unlink()
    (run / "samples.npz").unlink()
    (run / "metrics.jsonl").write_text((run / "metrics.jsonl").read_text() + '{"kind": "tr')
    page = Page(write_report([run], tmp_path / "report.html"))
    assert "its last record is of step 200" in page.text
    assert "run: 1 broken line of metrics.jsonl left out" in page.text
    assert [item.get("id") for item in page.named("figure")] == [
        "losses", "collapse", "knn", "final", "spectra0",
    ]  # fmt: skip


@pytest.mark.slow
def test_samples_without_labels(run: Path, tmp_path: Path) -> None:
    arrays = dict(np.load(run / "samples.npz"))
    for name in ("views", "neighbor_labels", "projection_labels", "classes"):
        del arrays[name]
    np.savez(run / "samples.npz", **arrays)
    page = Page(write_report([run], tmp_path / "report.html"))
    shown = [item.get("id") for item in page.named("figure")]
    assert shown[-2:] == ["neighbors0", "cloud0"]
    assert "another class" not in "".join(str(image["alt"]) for image in page.named("img"))


@pytest.mark.slow
def test_a_complete_collapse_without_any_variance_is_drawn(run: Path, tmp_path: Path) -> None:
    spectra = dict(np.load(run / "spectra.npz"))
    spectra["embedding"] = np.zeros((len(STEPS), EMBEDDING))
    np.savez(run / "spectra.npz", **spectra)
    page = Page(write_report([run], tmp_path / "report.html"))
    assert page.text.count("no eigenvalue above zero") == 2  # over training, and at the end


@pytest.mark.slow
def test_names_are_text_and_never_markup(tmp_path: Path) -> None:
    run = write_run(tmp_path / "$x^{$ <b>&", recipe=HOSTILE)
    config = json.loads((run / "config.json").read_text())
    config["settings"][HOSTILE] = HOSTILE
    (run / "config.json").write_text(json.dumps(config))
    result = json.loads((run / "result.json").read_text())
    result["verdict"] = {"state": "collapsed", "kind": HOSTILE, "sentence": HOSTILE}
    result["baselines"] = {HOSTILE: {"knn": 0.5, "linear": 0.5}}
    (run / "result.json").write_text(json.dumps(result))
    line = {"kind": "train", "step": 0, "loss": 1.0, "terms": {HOSTILE: 1.0}}
    (run / "metrics.jsonl").write_text(json.dumps(line))
    arrays = dict(np.load(run / "samples.npz"))
    arrays["classes"] = np.array([HOSTILE] * 4)
    np.savez(run / "samples.npz", **arrays)
    page = Page(write_report([run], tmp_path / "report.html"))
    assert not page.named("b") or all(item.get("style") for item in page.named("b"))  # only the legend's own
    assert all(str(image["src"]).startswith("data:image/png;base64,") for image in page.named("img"))
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert page.text.count(HOSTILE) > 8


@pytest.mark.slow
def test_the_page_needs_nothing_but_itself(pair: Path) -> None:
    page = Page(pair)
    assert "http://" not in page.source
    assert "https://" not in page.source
    assert "@import" not in page.source
    assert set(re.findall(r"url\((.)", page.source)) == {"#"}
    assert not {"script", "iframe", "object", "embed", "base"} & {tag for tag, _ in page.tags}
    targets = [
        str(value) for _, attributes in page.tags for name, value in attributes.items() if name in ("src", "href")
    ]
    assert all(target.startswith(("#", "data:")) for target in targets)


def test_ids_are_unique_and_every_reference_has_its_target(pair: Path) -> None:
    page = Page(pair)
    ids = page.ids()
    assert len(ids) == len(set(ids))
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', page.source))
    assert used
    assert used <= set(ids)


def test_everything_has_a_name_and_headings_are_in_order(pair: Path) -> None:
    page = Page(pair)
    assert len(page.named("figcaption")) == len(page.named("figure"))
    assert all(image["alt"] for image in page.named("img"))
    assert all(drawing["aria-label"] and drawing["role"] == "img" for drawing in page.named("svg"))
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


@pytest.mark.slow
def test_the_same_runs_give_the_same_bytes_and_leave_matplotlib_alone(run: Path, tmp_path: Path) -> None:
    (run / "samples.npz").unlink()
    before = dict(matplotlib.rcParams)
    texts = [write_report([run], tmp_path / name).read_bytes() for name in ("one.html", "two.html")]
    assert texts[0] == texts[1]
    assert dict(matplotlib.rcParams) == before


def test_runs_of_one_name_are_told_apart_and_one_run_is_shown_once(tmp_path: Path) -> None:
    first, second = write_run(tmp_path / "x" / "run"), write_run(tmp_path / "y" / "run")
    for folder in (first, second):
        for name in ("metrics.jsonl", "spectra.npz", "samples.npz"):
            (folder / name).unlink()
    page = Page(write_report([first, second, first], tmp_path / "report.html"))
    assert "2 runs: Healthy (2)" in page.text
    assert {"x/run", "y/run"} <= set(re.findall(r"./run", page.text))


def test_bad_calls_are_refused_and_leave_nothing_behind(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No run to report on"):
        write_report([], tmp_path / "report.html")
    with pytest.raises(UserError, match="9 runs cannot be told apart"):
        write_report([tmp_path / str(number) for number in range(9)], tmp_path / "report.html")
    with pytest.raises(UserError, match="is not a run folder"):
        write_report([run, tmp_path], tmp_path / "report.html")
    with pytest.raises(UserError, match=r"report\.html cannot be written: name a file"):
        write_report([run], tmp_path / "missing" / "report.html")
    with pytest.raises(UserError, match="run cannot be written: name a file"):
        write_report([run], run)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_page_takes_the_place_of_pages_alone(tmp_path: Path) -> None:
    out = tmp_path / "encoder.safetensors"
    for content in (b"\x93NUMPY", b"{}", b"name,value\n"):
        out.write_bytes(content)
        with pytest.raises(UserError, match=r"encoder\.safetensors exists and is not a page, and would be replaced"):
            write_html("<!DOCTYPE html>", out)
        assert out.read_bytes() == content
    for content in (b"", b"\xef\xbb\xbf<html>", b"\n<!doctype html>"):
        out.write_bytes(content)
        assert write_html("<!DOCTYPE html>", out).read_text() == "<!DOCTYPE html>"


@pytest.mark.slow
def test_the_report_room_needs_no_torch() -> None:
    code = "import sys, fullrank.report; sys.exit('torch' in sys.modules or 'matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_projection_collapsed_to_one_point_and_many_classes_are_drawn(run: Path, tmp_path: Path) -> None:
    (run / "metrics.jsonl").unlink()
    (run / "spectra.npz").unlink()
    labels = np.arange(50) % 25
    np.savez(run / "samples.npz", projection=np.zeros((50, 2)), projection_labels=labels)
    page = Page(write_report([run], tmp_path / "report.html"))
    assert [item.get("id") for item in page.named("figure")] == ["cloud0"]
    assert "class 19" in page.text
    assert "5 smaller classes" in page.text
    assert "nan" not in page.source


@pytest.mark.slow
def test_a_page_ends_in_what_to_do_about_each_run(run: Path, tmp_path: Path) -> None:
    collapsed = write_run(tmp_path / "collapsed", decay=0.3)
    content = json.loads((collapsed / "result.json").read_text())
    content["verdict"]["findings"] = [
        {"sentence": "it fills 3 of 32", "why": "classes are lost",
         "causes": [{"cause": "strong crops", "test": "weaken them"}],
         "remedies": [{"text": "spread <it>", "code": "--w2 0.5"}]}, "nonsense",
    ]  # fmt: skip
    (collapsed / "result.json").write_text(json.dumps(content))
    text = " ".join(Page(write_report([run, collapsed], tmp_path / "report.html")).text.split())
    said = text.partition("What to do next")[2].partition("Comparison")[0]
    assert f"Take it elsewhere. fullrank export {run} --to torch-export" in said
    assert "It fills 3 of 32. classes are lost." not in said
    assert "It fills 3 of 32. Classes are lost." in said
    assert "Strong crops. How to tell: weaken them. Spread <it>." in said
    assert f"fullrank train intl --like {collapsed} --w2 0.5" in said


@pytest.mark.slow
def test_accuracies_on_different_data_are_not_compared(run: Path, tmp_path: Path) -> None:
    other = write_run(tmp_path / "other", decay=0.03)
    both = Page(write_report([run, other], tmp_path / "report.html"))
    assert "The best kNN accuracy is 69.0 %" in both.text
    assert len([cell for cell in both.named("td") if cell.get("class") == "best"]) == 2
    config = json.loads((other / "config.json").read_text())
    config["settings"]["data"] = "elsewhere"
    (other / "config.json").write_text(json.dumps(config))
    both = Page(write_report([run, other], tmp_path / "report.html"))
    assert "scored on different data, so their accuracies are not compared" in both.text
    assert [cell for cell in both.named("td") if cell.get("class") == "best"] == []


def test_a_loss_that_is_its_one_term_is_drawn_once(run: Path) -> None:
    plot = losses([read_run(run)], ["run"])
    assert plot is not None
    assert [one.title for one in plot.panels] == ["loss", "term: similarity", "term: trace"]
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    single = [{**line, "terms": {"all": line["loss"]}} if "terms" in line else line for line in lines]
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in single))
    plot = losses([read_run(run)], ["run"])
    assert plot is not None
    assert [one.title for one in plot.panels] == ["loss"]
