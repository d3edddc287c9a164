from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from fullrank.data import ImageFolder, ImageTensor, Views, preset
from fullrank.data.missing import Missing
from fullrank.diagnosis import judge
from fullrank.diagnosis.profiles import PROFILES
from fullrank.losses import CorInfoMax, alignment, log_determinant_mutual_information
from fullrank.methods import JointEmbedding
from fullrank.metrics import summarize
from fullrank.metrics.measure import measured_row
from fullrank.nn import encoder, evaluating, mlp
from fullrank.training.probe import Probe, probe_size, read, take_probe

VIEWS = Views(preset("gray", size=16, channels=1), mean=(0.5,), std=(0.25,))


def images(count: int, labeled: bool = True) -> ImageTensor:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, 1, 16, 16), generator=generator, dtype=torch.uint8)
    labels = torch.arange(count) % 2
    images[labels == 1] //= 4  # dark and bright images
    return ImageTensor(images, labels if labeled else None, ("bright", "dark") if labeled else ())


def method() -> JointEmbedding:
    torch.manual_seed(0)
    return JointEmbedding(encoder("tiny", image_size=16, channels=1), mlp(512, (64, 16)), alignment)


def test_the_probe_is_a_fixed_sample_with_its_labels() -> None:
    data = images(100)
    first, again = (take_probe(data, size=16, count=40, seed=3) for _ in range(2))
    assert torch.equal(first.images, again.images)
    assert first.labels is not None
    assert len(first.labels) == len(first.images) == 40
    bright = first.images.float().mean((1, 2, 3)) > 64
    assert torch.equal(bright, first.labels == 0)
    assert not torch.equal(first.images, take_probe(data, size=16, count=40, seed=4).images)
    assert len(take_probe(data, size=16, count=1000, seed=0).images) == 100


def test_an_image_in_the_place_of_a_lost_one_has_its_own_label(tmp_path: Path) -> None:
    for number in range(10):
        Image.fromarray(np.full((16, 16), 20 * number, np.uint8)).save(tmp_path / f"{number}.png")
    files = tuple(str(tmp_path / f"{number}.png") for number in range(10))
    data = ImageFolder(files, torch.arange(10), tuple(map(str, range(10))), 1)
    (tmp_path / "3.png").unlink()
    missing = Missing(data, tmp_path, 0.5, tmp_path / "missing.jsonl", lambda text: None)
    probe = take_probe(data, size=16, count=20, seed=0, missing=missing)
    assert probe.labels is not None
    assert len(probe.images) == 10
    assert (probe.images.float().mean((1, 2, 3)) / 20).round().tolist() == probe.labels.tolist()
    assert 3 not in probe.labels


def test_a_reading_is_that_of_the_current_weights_in_eval_mode() -> None:
    trained, probe = method(), take_probe(images(60), size=16, count=60, seed=0)
    trained.projector.eval()  # whatever mode a part is in, it is in it afterwards
    before = {name: value.clone() for name, value in trained.state_dict().items()}
    state = torch.random.get_rng_state()
    reading = read(trained, probe, VIEWS)
    assert trained.encoder.training
    assert not trained.projector.training
    assert all(torch.equal(value, before[name]) for name, value in trained.state_dict().items())
    assert torch.equal(state, torch.random.get_rng_state())
    with torch.no_grad(), evaluating(trained):
        h = trained.encoder(VIEWS.plain(probe.images))
        expected = summarize(trained.projector(h))
    assert {name: reading.row["embedding"][name] for name in expected} == pytest.approx(expected, rel=1e-4)
    assert reading.row["knn"] > 0.7  # dark from bright, where chance is 0.5
    assert reading.spectra["embedding"].shape == (16,)
    assert 0 <= reading.row["embedding"]["alignment"] <= 4


def test_without_labels_there_is_no_knn() -> None:
    reading = read(method(), take_probe(images(30, labeled=False), size=16, count=30, seed=0), VIEWS)
    assert reading.row["knn"] is None
    some = ImageTensor(images(30).images, torch.tensor([0, -1] * 15), ("bright",))
    assert take_probe(some, size=16, count=30, seed=0).labels is None


def test_a_collapsed_projector_is_seen_at_the_embedding_and_not_at_the_backbone() -> None:
    collapsed = method()
    last = collapsed.projector[-1]  # type: ignore[index]
    assert isinstance(last, nn.Linear)
    nn.init.zeros_(last.weight)
    reading = read(collapsed, Probe(images(100).images, None), VIEWS)
    row = reading.row["embedding"]
    seen = judge(measured_row(row), PROFILES["non-contrastive"], n=int(row["n"]), dims=int(row["dims"]))
    assert (seen.state, seen.kind) == ("collapsed", "complete")
    assert reading.row["backbone"]["relative_spread"] > 0.1


def test_how_many_images_are_looked_at() -> None:
    assert probe_size(images(4), None) == 2000
    assert probe_size(images(4), 50) == 50


def test_the_mutual_information_is_that_of_the_two_views_beside_what_chance_shows() -> None:
    trained, probe = method(), Probe(images(48).images, None)  # three pairs for each of 16 features
    reading = read(trained, probe, VIEWS).row["embedding"]
    drawn = VIEWS.draw(48, 16, 16, torch.Generator().manual_seed(0))
    with torch.no_grad(), evaluating(trained):
        z = torch.stack([trained.projector(trained.encoder(view)) for view in VIEWS.apply(probe.images, drawn)])
    of_pairs = log_determinant_mutual_information(z)["loss"]
    of_strangers = log_determinant_mutual_information(torch.stack([z[0], z[1].roll(1, 0)]))["loss"]
    assert reading["ldmi"] == pytest.approx(-float(of_pairs), rel=1e-3)  # batches of another size, in float32
    assert reading["ldmi_by_chance"] == pytest.approx(-float(of_strangers), rel=1e-3)
    assert reading["ldmi"] > reading["ldmi_by_chance"] > 0


def test_too_few_pairs_for_the_embedding_give_no_mutual_information() -> None:
    assert "ldmi" not in read(method(), Probe(images(47).images, None), VIEWS).row["embedding"]


def test_one_point_has_no_mutual_information() -> None:
    collapsed = method()
    nn.init.zeros_(collapsed.projector[-1].weight)  # type: ignore[index]
    reading = read(collapsed, Probe(images(60).images, None), VIEWS).row["embedding"]
    assert (reading["ldmi"], reading["ldmi_by_chance"]) == pytest.approx((0.0, 0.0), abs=1e-6)


def test_a_part_that_offers_spectra_is_watched() -> None:
    trained = method()
    assert set(read(trained, Probe(images(20).images, None), VIEWS).spectra) == {"backbone", "embedding"}
    trained.objective = CorInfoMax(16)
    trained.objective.covariance[1] *= torch.arange(1.0, 17.0)
    spectra = read(trained, Probe(images(20).images, None), VIEWS).spectra
    assert spectra["covariance_of_view_1"].tolist() == pytest.approx([1.0] * 16)
    assert spectra["covariance_of_view_2"].tolist() == pytest.approx(list(range(16, 0, -1)))
