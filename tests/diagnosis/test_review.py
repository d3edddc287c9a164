"""What a review found wrong on real embeddings, with other inputs of the same kinds: none of it comes back."""

from __future__ import annotations

import io
from collections.abc import Callable
from pydoc_data.topics import topics

import pytest
import torch
from rich.console import Console
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from torch import Tensor

import fullrank
from fullrank.diagnosis.judge import judge_row
from fullrank.diagnosis.profiles import PROFILES, find_profile
from fullrank.diagnosis.report import Report
from fullrank.metrics import summarize
from fullrank.report.diagnosis.text import print_diagnosis
from tests.a_few import one_in
from tests.diagnosis.clouds import hubs
from tests.diagnosis.test_real import sentences
from tests.metrics.clouds import gaussian, power_law


def by_components(z: Tensor) -> Tensor:
    return torch.from_numpy(PCA(whiten=True).fit_transform(z.numpy()))


def by_root(z: Tensor) -> Tensor:
    x = z - z.mean(0)
    values, vectors = torch.linalg.eigh(x.T @ x / len(x))
    found: Tensor = x @ vectors * values.rsqrt() @ vectors.T
    return found


def by_triangle(z: Tensor) -> Tensor:
    x = z - z.mean(0)
    found: Tensor = torch.linalg.solve_triangular(torch.linalg.cholesky(x.T @ x / len(x)), x.T, upper=False).T
    return found


@pytest.mark.parametrize("whiten", [by_components, by_root, by_triangle])
@pytest.mark.parametrize("z", [gaussian(600, 24), power_law(1.0, 500, 32)], ids=["round", "decaying"])
def test_white_embeddings_raise_no_alarm(whiten: Callable[[Tensor], Tensor], z: Tensor) -> None:
    report = fullrank.diagnose(whiten(z))
    assert (report.verdict, report.findings) == ("healthy", ())


def factors(texts: list[str]) -> Tensor:
    """TF-IDF and SVD of texts."""
    table = TfidfVectorizer(min_df=2, stop_words="english").fit_transform(texts)
    return torch.from_numpy(TruncatedSVD(32, random_state=0).fit_transform(table))


@pytest.mark.slow
def test_empty_texts_are_named_and_nothing_else_is_blamed() -> None:
    paragraphs = (" ".join(text.split()) for topic in topics.values() for text in topic.split("\n\n"))
    texts = list(dict.fromkeys(text for text in paragraphs if text.count(" ") > 12))[:700]
    z = factors(texts)
    z = z[z.norm(dim=1) > 0]
    assert len(z) > 500
    without = fullrank.diagnose(z, profile="text")
    empty = [5, 17, 300, 301, 302, 650]
    z[empty] = 0
    report = fullrank.diagnose(z, profile="text")
    assert (report.verdict, without.verdict) == ("healthy", "healthy")
    zeros = next(one for one in report.findings if one.rule == "some rows of zeros")
    assert (zeros.which, zeros.which_are, zeros.severity) == (tuple(empty), "rows", "note")
    assert zeros.sentence == f"{6 / len(z):.2%} of the rows are 0; the others are judged without them"
    assert {one.rule for one in report.findings} - {"some rows of zeros"} == {one.rule for one in without.findings}
    assert report.left_out == 6


@pytest.mark.slow
@pytest.mark.parametrize(
    ("share", "verdict"), [(0.05, "healthy"), (0.2, "healthy"), (0.3, "undetermined"), (0.7, "collapsed")]
)
def test_sentences_that_repeat_are_noted_until_data_does_not_explain_them(share: float, verdict: str) -> None:
    different = round((1 - share) * 500)
    z = sentences()[torch.arange(500) % different]
    report = fullrank.diagnose(z, profile="text")
    assert report.verdict == verdict
    named = next(one for one in report.findings if one.kind == "duplicates")
    assert named.sentence.startswith(f"{share:.1%} of the rows repeat another one")
    assert set(named.which) <= {*range(different, 500)}
    assert (named.severity == "note", named.unsure) == (verdict != "collapsed", verdict == "undetermined")


@pytest.mark.slow
@pytest.mark.parametrize(("share", "verdict"), [(0.03, "healthy"), (0.2, "healthy"), (0.3, "degraded")])
def test_one_vector_for_many_inputs_is_named_before_the_direction_that_it_makes(share: float, verdict: str) -> None:
    z = gaussian(1000, 64)
    same = torch.randperm(1000, generator=torch.Generator().manual_seed(1))[: int(share * 1000)]
    z[same] = 1.0  # as that of a default
    report = fullrank.diagnose(z)
    assert report.verdict == verdict
    first = report.findings[0]
    assert (first.kind, set(first.which) <= set(same.tolist())) == ("duplicates", True)
    assert not {"head-dominated spectrum", "hubs"} & {one.rule for one in report.findings if one.severity != "note"}


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.02, 0.2])
def test_rows_of_zeros_change_no_verdict(share: float) -> None:
    for z, verdict in ((gaussian(600, 32), "healthy"), (gaussian(600, 2) @ gaussian(2, 32, seed=1), "collapsed")):
        z[: int(600 * share)] = 0
        report = fullrank.diagnose(z)
        assert (report.verdict, report.left_out) == (verdict, int(600 * share))
        assert [one.severity for one in report.findings if one.rule == "some rows of zeros"] == ["note"]


def test_many_rows_of_zeros_are_a_warning() -> None:
    z = gaussian(600, 32)
    z[:200] = 0
    assert fullrank.diagnose(z).sentence == "Degraded (single rows): 33.33% of the rows are 0."


@pytest.mark.parametrize("dims", [24, 128])
@pytest.mark.parametrize("factor", one_in(3, [30.0, 200.0, 1e4]))
@pytest.mark.parametrize("which", [(5,), (5, 9, 2)])
def test_huge_dimensions_are_named_with_what_is_left_without_them(
    dims: int, factor: float, which: tuple[int, ...]
) -> None:
    z = power_law(0.5, 600, dims)
    before = fullrank.diagnose(z[:, [one for one in range(dims) if one not in which]])
    z[:, list(which)] = gaussian(600, len(which), seed=2) * factor * z.std()
    report = fullrank.diagnose(z.float())
    assert report.kind == "head-dominated"
    first = report.findings[0]
    assert (set(first.which), first.which_are) == (set(which), "dimensions")
    assert {one.kind for one in report.findings} == {"head-dominated"}  # the others are neither few nor dead
    assert first.sentence.startswith("dimension 5 has" if len(which) == 1 else f"dimensions {first.which[0]}, ")
    left = before.measurements["rankme_centered"].value
    assert report.measurements["rank_behind"].value == pytest.approx(left, rel=0.05)
    words = " ".join([*(one.text for one in first.advice.causes), *(one.text for one in first.advice.remedies)])
    assert "augmentation" not in words
    assert "massive activations" in first.advice.causes[0].text
    assert first.advice.remedies[0].text == "standardize the dimensions"
    assert any("drop" in one.text for one in first.advice.remedies)


@pytest.mark.slow
def test_what_is_advised_against_huge_dimensions_heals() -> None:
    z = power_law(0.5, 600, 64)
    z[:, 7] = gaussian(600, 1, seed=2)[:, 0] * 100 * z.std()
    found = fullrank.diagnose(z).findings[0].advice.remedies
    for remedy in found[:2]:
        names = {"z": z, "torch": torch}
        exec(remedy.code, names)
        assert fullrank.diagnose(names["z"]).verdict == "healthy"


def test_no_huge_dimension_hides_that_the_others_have_collapsed() -> None:
    z = gaussian(600, 3) @ gaussian(3, 64, seed=1)
    z[:, 7] = gaussian(600, 1, seed=2)[:, 0] * 1000
    report = fullrank.diagnose(z)
    assert (report.verdict, report.kind) == ("collapsed", "dimensional")


@pytest.mark.parametrize("times", [100.0, 1e6])
@pytest.mark.slow
def test_one_broken_sentence_is_named_and_the_others_are_judged_as_before(times: float) -> None:
    z, before = sentences().double(), fullrank.diagnose(sentences().double(), profile="text")
    z[123] *= times
    report = fullrank.diagnose(z, profile="text")
    assert [(one.rule, one.which) for one in report.findings] == [("exploded rows", (123,))]
    assert report.measurements["effective_rank"].value == pytest.approx(
        before.measurements["effective_rank"].value, rel=0.01
    )


@pytest.mark.slow
def test_seeds_and_row_orders_do_not_decide_what_is_near_the_threshold_of_hubs() -> None:
    z, said = hubs(600, 24, seed=3), set()
    for seed in range(4):
        order = torch.randperm(600, generator=torch.Generator().manual_seed(seed))
        report = fullrank.diagnose(z[order].float(), seed=seed)
        excess = report.measurements["hub_excess"]
        assert excess.low is not None
        assert excess.high is not None
        assert excess.low < 3.0 < excess.high  # else it is not near
        said.add(report.verdict)
    assert len(said) == 1


@pytest.mark.parametrize("noise", [0.0, 0.05])
@pytest.mark.slow
def test_sentences_cut_to_a_sixteenth_of_their_dimensions_are_called_with_noise_too(noise: float) -> None:
    x = sentences().double() - sentences().double().mean(0)
    top = torch.linalg.svd(x, full_matrices=False).Vh[:24]
    cut = x @ top.T @ top + noise * x.std() * gaussian(500, 384, seed=1)
    report = fullrank.diagnose(cut, profile="text")
    assert (report.verdict in ("collapsed", "degraded"), report.kind) == (True, "dimensional")
    assert report.measurements["signal_rank"].value == 24


@pytest.mark.slow
def test_a_monitor_row_says_of_dead_dimensions_what_a_diagnosis_says_and_of_clusters_that_it_was_not_asked() -> None:
    dead = gaussian(1500, 64) * (torch.arange(64) >= 20)  # 31 %
    row = judge_row(summarize(dead), PROFILES["generic"])
    assert (row.state, row.kind) == ("collapsed", "dimensional")
    assert row.sentence == fullrank.diagnose(dead).sentence
    tight = gaussian(40, 64)[torch.arange(1500) % 40] + 0.02 * gaussian(1500, 64, seed=1)
    assert fullrank.diagnose(tight).kind == "cluster"
    seen = judge_row(summarize(tight), PROFILES["generic"])
    assert (seen.state, "clusters" in dict(seen.unasked)) == ("healthy", True)


def said(report: Report) -> str:
    out = io.StringIO()
    print_diagnosis(report.to_json(), Console(file=out, width=200))
    return out.getvalue()


def test_three_groups_say_that_they_give_no_intervals() -> None:
    report = fullrank.diagnose(gaussian(300, 8), groups=torch.arange(300) % 3)
    assert all(one.low is None for one in report.measurements.values())
    words = "There are no 95 % intervals: they need 5 groups of rows to leave out in turn, and there are 3."
    assert words in said(report)
    assert "no 95 % intervals" not in said(fullrank.diagnose(gaussian(300, 8), groups=torch.arange(300) % 30))


@pytest.mark.parametrize("name", ["text", "recsys", "bio"])
def test_advice_on_embeddings_that_no_recipe_made_names_no_recipe(name: str) -> None:
    point = fullrank.diagnose(5 + 1e-3 * gaussian(200, 16), profile=name)
    low = fullrank.diagnose(gaussian(300, 3) @ gaussian(3, 48, seed=1), profile=name)
    for report in (point, low):
        codes = [remedy.code for finding in report.findings for remedy in finding.advice.remedies]
        assert report.verdict == "collapsed"
        assert codes
        assert not any("fullrank train" in code or code.startswith("--") for code in codes)
        causes = " ".join(cause.text for finding in report.findings for cause in finding.advice.causes)
        assert "teacher" not in causes
        assert "projector" not in causes


def test_the_class_that_has_collapsed_is_named_by_its_number() -> None:
    labels = torch.arange(600) % 6
    z = gaussian(600, 16) + 3 * gaussian(6, 16, seed=1)[labels]
    z[labels == 4] = z[labels == 4].mean(0) + 0.05 * (z[labels == 4] - z[labels == 4].mean(0))
    weak = next(one for one in fullrank.diagnose(z, labels=labels).findings if one.rule == "weak class")
    assert (weak.which, weak.which_are) == ((4,), "classes")


@pytest.mark.slow
def test_small_families_of_rows_are_no_few_points() -> None:
    families = gaussian(400, 32).repeat_interleave(3, 0) + 0.05 * gaussian(1200, 32, seed=1)
    report = fullrank.diagnose(families)
    assert report.measurements["relative_contrast"].value > 10  # which was a collapse to a few points
    assert (report.verdict, report.kind) == ("healthy", None)


@pytest.mark.slow
def test_few_directions_are_enough_for_many_classes() -> None:
    labels = torch.arange(1200) % 60
    z = gaussian(60, 6)[labels] @ gaussian(6, 64, seed=1) + 0.1 * gaussian(1200, 64, seed=2)
    report = fullrank.diagnose(z, labels=labels, profile="supervised")
    assert report.measurements["neighbor_labels"].value > 0.9
    assert report.measurements["effective_rank"].value < 0.2 * 59  # which was a collapse
    assert report.verdict == "healthy"
    shared = gaussian(2, 6)[labels % 2] @ gaussian(6, 64, seed=1) + 0.1 * gaussian(1200, 64, seed=2)
    called = fullrank.diagnose(shared, labels=labels, profile="supervised")
    assert "fewer directions than classes" in {one.rule for one in called.findings}
    assert called.verdict in ("collapsed", "degraded")
    assert find_profile("supervised").labels_tell


def test_a_class_of_like_inputs_is_named_and_lowers_no_headline() -> None:
    """As of 26 photographs with 12 crops each, one of which is nearly plain."""
    labels = torch.arange(26).repeat_interleave(12)
    away = gaussian(312, 48) * torch.linspace(0.8, 1.4, 26)[labels, None]
    away[labels == 7] *= 0.1
    report = fullrank.diagnose(3 * gaussian(26, 48, seed=1)[labels] + away, labels=labels)
    weak = next(one for one in report.findings if one.rule == "weak class")
    assert (report.verdict, weak.severity, weak.which) == ("healthy", "note", (7,))
    assert "class_rank" not in report.measurements  # of 12 rows a rank says little


@pytest.mark.parametrize("seed", range(3))
def test_of_equal_classes_of_few_rows_none_is_weak(seed: int) -> None:
    labels = torch.arange(40).repeat_interleave(8)
    report = fullrank.diagnose(gaussian(320, 32, seed=seed), labels=labels)
    assert "weak class" not in {one.rule for one in report.findings}
