"""Presets are what their sources say, fit their recipes, and are shown side by side."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import tyro

from fullrank import recipes
from fullrank.cli import main
from fullrank.data import crop_sizes, preset
from fullrank.engine import RunOptions
from fullrank.errors import UserError
from fullrank.nn import Encoder, encoder
from fullrank.recipes import Recipe, with_settings
from fullrank.recipes._start import Start
from fullrank.recipes._stepping import Stepping
from fullrank.recipes.presets import Preset, begin, presets, require_data
from fullrank.regularizers.w2 import W2 as W2Uniformity
from fullrank.training.step_plan import check

FILES = {path.stem: path for path in (Path(recipes.__file__).parent / "presets").glob("*.toml")}
ALL = [(recipe, name) for recipe in recipes.names() for name in presets(recipe)]
ALWAYS = {
    *("data", "image_size", "backbone", "views", "epochs", "batch_size", "optimizer", "lr", "weight_decay"),
    "warmup_epochs",
}
WITHOUT = {  # what the head of the recipe's file says
    "invariance": "There is no paper to this",
    "spectral": "The paper trains no member of the family but INTL at scale",
}
W2 = {
    "projector": (2048, 2048, 256),
    "epochs": 500.0,
    "batch_size": 256,
    "optimizer": "lars",
    "lars_trust": 0.02,
    "lr": 0.2,
    "views": "w2-study",
}
HSR = {
    "projector": (4096, 256),
    "predictor": (4096,),
    "epochs": 300.0,
    "batch_size": 1024,
    "weight_decay": 1e-6,
    "lars_trust": 0.001,
    "teacher": 0.99,
    "teacher_end": 1.0,
}
PUBLISHED: list[tuple[str, str, dict[str, Any]]] = [
    ("intl", "cifar10", {"lr": 0.3, "batch_size": 256, "epochs": 1000.0, "warmup_epochs": 2.0, "weight_decay": 1e-4}),
    ("intl", "cifar100", {"data": "cifar100", "projector": (2048, 2048, 2048), "optimizer": "sgd"}),
    ("intl", "imagenet-100", {"lr": 0.25, "batch_size": 128, "epochs": 400.0, "weight_decay": 2.5e-5}),
    ("intl", "imagenet-100", {"projector": (4096, 4096, 8192), "backbone": "torchvision/resnet18", "views": "byol"}),
    ("intl", "imagenet", {"lr": 0.3, "batch_size": 256, "epochs": 800.0, "weight_decay": 1e-5, "backbone": "resnet50"}),
    ("intl", "imagenet-multicrop", {"lr": 0.5, "epochs": 100.0, "crops": "2x224,192,160,128,96", "teacher": 0.996}),
    ("corinfomax", "cifar10", {"lr": 0.5, "batch_size": 512, "invariance": 250.0, "projector": (2048, 2048, 64)}),
    ("corinfomax", "imagenet-100", {"projector_norm": "none", "projector": (4096, 4096, 128)}),
    ("corinfomax", "cifar100", {"lr": 0.5, "epochs": 1000.0, "invariance": 1000.0, "projector": (4096, 4096, 128)}),
    ("corinfomax", "tiny-imagenet", {"batch_size": 1024, "epochs": 800.0, "memory": 0.1, "image_size": 64}),
    ("corinfomax", "imagenet-100", {"lr": 1.0, "epochs": 400.0, "warmup_epochs": 10.0, "memory": 0.01}),
    ("corinfomax", "imagenet-100-resnet50", {"lr": 1.0, "epochs": 200.0, "warmup_epochs": 5.0, "backbone": "resnet50"}),
    ("corinfomax", "imagenet", {"lr": 0.2, "batch_size": 1536, "invariance": 2000.0, "projector": (8192, 8192, 512)}),
    ("corinfomax", "imagenet", {"memory": 0.1, "projector_norm": "batch"}),
    ("directclr", "imagenet", {"lr": 4.8, "batch_size": 4096, "epochs": 100.0, "d0": 360, "weight_decay": 1e-6}),
    ("moco", "cifar10", W2 | {"teacher": 0.99, "teacher_end": 0.999, "queue": 4096, "temperature": 0.2}),
    ("byol", "cifar100", W2 | {"teacher": 0.99, "teacher_end": 0.99, "predictor": (2048,), "data": "cifar100"}),
    ("barlow_twins", "cifar10", W2 | {"off_diagonal": 0.08}),
    ("simclr", "cifar10", W2 | {"temperature": 0.2}),
    ("zero_cl", "cifar100", W2 | {"data": "cifar100"}),
    ("moco", "cifar10-w2", W2 | {"w2": W2Uniformity(1.0)}),
    ("barlow_twins", "cifar100-w2", W2 | {"w2": W2Uniformity(30.0, w2_end=0.0), "data": "cifar100"}),
    ("nnclr", "cifar10", W2 | {"predictor": (256,), "temperature": 0.2}),
    ("emp_ssl", "imagenet-100", {"epochs": 2.0, "crops": "20x224", "start": Start(normalize="half")}),
    ("intl", "imagenet-multicrop-400", {"lr": 0.4, "epochs": 400.0, "teacher": 0.996, "batch_size": 256}),
    ("intl", "imagenet-multicrop-800", {"lr": 0.3, "epochs": 800.0}),
    ("directclr", "imagenet-mlp", {"head": "mlp", "lr": 4.8, "epochs": 100.0}),
    ("corinfomax", "tiny-imagenet", {"start": Start(stem="imagenet"), "image_size": 64}),
    ("vicreg", "imagenet", {"lr": 1.6, "batch_size": 2048, "epochs": 1000.0, "projector": (8192, 8192, 8192)}),
    ("vicreg", "cifar10-solo", {"lr": 0.3, "batch_size": 256, "epochs": 1000.0, "lars_trust": 0.02}),
    ("barlow_twins", "imagenet", {"lr": 1.6, "weight_decay": 1e-6, "off_diagonal": 0.0051, "epochs": 1000.0}),
    ("byol", "imagenet-100-solo", {"lr": 0.5, "weight_decay": 1e-6, "predictor": (8192,), "epochs": 400.0}),
    ("moco", "imagenet", {"lr": 0.015, "batch_size": 256, "queue": 65536, "teacher": 0.999, "optimizer": "sgd"}),
    ("moco_v3", "imagenet-1000epochs", {"lr": 4.8, "weight_decay": 1.5e-6, "teacher": 0.996, "batch_size": 4096}),
    ("simsiam", "imagenet", {"lr": 0.1, "batch_size": 512, "predictor": (512,), "views": "moco-v2"}),
    ("swav", "imagenet", {"lr": 0.6, "prototypes": 3000, "queue": 3840, "queue_from": 15.0, "freeze_prototypes": 1.0}),
    ("dino", "imagenet", {"freeze_last_layer": 1.0, "prototypes": 65536, "lr": 0.001, "weight_decay": 0.04}),
    ("dino", "imagenet", {"stepping": Stepping(clip_gradients=3.0, clip_each=True, weight_decay_end=0.4)}),
    ("simclr", "imagenet", {"lr": 4.8, "temperature": 0.1, "projector": (2048, 2048, 128), "batch_size": 4096}),
    ("simclr", "cifar10-lightly", {"lr": 0.06, "batch_size": 128, "epochs": 200.0, "weight_decay": 5e-4}),
    ("w_mse", "cifar10", {"lr": 0.003, "projector": (1024, 64), "size": 128, "batch_size": 512}),
    ("visreg", "imagenet", {"stepping": Stepping(clip_gradients=1.0), "regularization": 0.9, "slices": 4096}),
    ("byol", "cifar10-hsr", HSR | {"views": "hsr-byol", "image_size": 32}),
    ("byol", "stl10-hsr", HSR | {"data": "stl10", "image_size": 64}),
    ("byol", "imagenet-hsr", HSR | {"views": "hsr-byol-imagenet"}),
]  # fmt: skip


def configured(recipe: str, name: str) -> Recipe:
    return begin(recipe, recipes.load(recipe), ["--preset", name])[1]


@cache
def meta_encoder(backbone: str, image_size: int) -> Encoder:
    """An encoder without memory for its weights."""
    with torch.device("meta"):
        return encoder(backbone, image_size=image_size)


@pytest.mark.parametrize(("recipe", "name", "expected"), PUBLISHED)
def test_published_values(recipe: str, name: str, expected: dict[str, Any]) -> None:
    made = configured(recipe, name)
    assert {field: getattr(made, field) for field in expected} == expected


@pytest.mark.parametrize(("recipe", "name"), ALL)
def test_every_value_is_one_that_its_flag_takes(recipe: str, name: str) -> None:
    """Passed as text to the command line, the settings give the same recipe, with the same types."""
    kind, settings = recipes.load(recipe), presets(recipe)[name].settings
    assert set(settings) <= set(recipes.settings(kind()))
    arguments: list[str] = []
    for field, setting in settings.items():
        values = setting.value if isinstance(setting.value, tuple) else (setting.value,)
        flag = f"--{field.replace('_', '-')}"
        arguments += [flag] if setting.value is True else [flag, *map(str, values)]
    made, parsed = configured(recipe, name), tyro.cli(kind, args=arguments, config=(tyro.conf.OmitArgPrefixes,))
    assert made == parsed
    ours, theirs = recipes.settings(made), recipes.settings(parsed)
    assert {field: type(ours[field]) for field in settings} == {field: type(theirs[field]) for field in settings}


@pytest.mark.parametrize(("recipe", "name"), ALL)
def test_every_preset_builds(recipe: str, name: str) -> None:
    made = configured(recipe, name)
    check(made, RunOptions())
    assert made.image_size is not None
    assert preset(made.views, size=made.image_size, channels=3)
    if name == "imagenet-orthogonal":  # its start needs numbers, which tests/nn/test_directclr_heads.py gives it
        made = with_settings(made, {"head": "linear"})
    with torch.device("meta"):
        method = made.build(meta_encoder(made.backbone, made.image_size))
    assert sum(parameter.numel() for parameter in method.parameters()) > 1_000_000
    if made.crops is not None:
        assert crop_sizes(made.crops)[0] == made.image_size


@pytest.mark.parametrize(("recipe", "name"), ALL)
def test_every_value_has_a_source(recipe: str, name: str) -> None:
    one = presets(recipe)[name]
    assert set(one.settings) >= ALWAYS
    assert one.source
    assert one.notes
    for field, setting in one.settings.items():
        assert re.match("code|paper|command|README|ours|.*training images$", setting.source), field
        product = r"([\d.]+) x (\d+)/(\d+)(?: / (\d+))?"
        for base, batch, of, scale in re.findall(product, setting.source) if field == "lr" else ():
            assert setting.value == pytest.approx(float(base) * int(batch) / int(of) / int(scale or 1))
            assert one.settings["batch_size"].value == int(batch)


def test_a_file_is_of_a_recipe_or_of_a_protocol() -> None:
    named = {
        like.split("/")[0] for path in FILES.values() for like in re.findall('like = "(.+?/.+?)"', path.read_text())
    }
    assert set(FILES) - named <= set(recipes.names())
    assert named == {"w2_study", "solo", "lightly"}


def test_every_recipe_has_published_settings_or_says_why_not() -> None:
    without = {recipe for recipe in recipes.names() if not presets(recipe)}
    assert without == set(WITHOUT)
    for recipe, reason in WITHOUT.items():
        assert reason in " ".join(recipes.documentation(recipe).split())


def test_like_takes_what_is_not_said_again() -> None:
    """moco's cifar100 <- its cifar10 <- the study's protocol."""
    study, ten, hundred = presets("w2_study")["cifar"], presets("moco")["cifar10"], presets("moco")["cifar100"]
    assert ten.settings == study.settings | {
        field: ten.settings[field] for field in ("teacher", "teacher_end", "queue", "temperature")
    }
    assert {field for field in ten.settings if ten.settings[field] != hundred.settings[field]} == {"data"}
    assert ten.notes[: len(study.notes)] == study.notes
    assert hundred.notes == ten.notes
    assert hundred.source == ten.source == study.source
    assert hundred.reported != ten.reported


@pytest.mark.slow
def test_images_that_only_the_user_has() -> None:
    made = configured("intl", "imagenet")
    with pytest.raises(UserError, match="pass --data with the folder of ImageNet's training images"):
        require_data("intl", "imagenet", made)
    for recipe, name in ALL:
        data = presets(recipe)[name].settings["data"]
        assert (data.value == "") == data.source.endswith("training images")
    require_data("intl", "cifar10", configured("intl", "cifar10"))
    require_data("intl", None, Recipe())


def test_names_that_are_none() -> None:
    intl = recipes.load("intl")
    with pytest.raises(
        UserError, match="no preset 'cifar11': did you mean cifar10\\? Its presets are cifar10, cifar100"
    ):
        begin("intl", intl, ["--preset=cifar11"])
    with pytest.raises(UserError, match="no preset '': Its presets are cifar10"):
        begin("intl", intl, ["--preset", "--lr", "1"])
    with pytest.raises(UserError, match="invariance has no preset 'cifar10': It has none, leave out --preset"):
        begin("invariance", recipes.load("invariance"), ["--preset", "cifar10"])
    assert begin("./mine.py", Recipe, ["--lr", "1"]) == (None, Recipe(), ["--lr", "1"])


@pytest.mark.parametrize("recipe", sorted({recipe for recipe, _ in ALL}))
def test_the_listing_shows_all(recipe: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes", recipe]) == 0
    said = capsys.readouterr().out
    assert said.startswith(recipes.documentation(recipe))
    assert "\x1b" not in said
    table = {row.split()[0]: row for row in said.partition("Empty:")[2].splitlines() if row.startswith(" --")}
    known: dict[str, Preset] = presets(recipe)
    for one in known.values():
        assert f"  {one.source}" in said
        assert all(f"  {note}" in said for note in one.notes)
        for field, setting in one.settings.items():
            flag, values = f"--{field.replace('_', '-')}", setting.value
            shown = [
                {True: "on", False: "off"}[v] if isinstance(v, bool) else f"{v:g}" if isinstance(v, float) else str(v)
                for v in (values if isinstance(values, tuple) else [values])
            ]
            assert f"  {flag}: {setting.source}" in said
            assert (" ".join(shown) or "(pass it)") in table[flag]


def test_the_listing_of_intl(capsys: pytest.CaptureFixture[str]) -> None:
    main(["recipes", "intl"])
    said = capsys.readouterr().out
    lines = [" ".join(line.split()) for line in said.splitlines()]
    names = "cifar10 cifar100 imagenet-100 imagenet imagenet-multicrop"
    by_epochs = "imagenet-multicrop-200 imagenet-multicrop-400 imagenet-multicrop-800 imagenet-vit-s"
    assert f"flag default {names} {by_epochs}" in lines
    assert "--lr chosen 0.3 0.3 0.25 0.3 0.5 0.4 0.4 0.3 0.0006" in lines
    assert "--teacher None 0.996 0.996 0.996 0.996" in lines
    assert "--lr: code: 0.5 x 128/256 (imagenet-100)" in lines
    assert "--axis: code: axis 0" in lines
    assert "cifar10 reported linear 92.60, 5-NN 90.03 (README)." in lines


def test_a_recipe_without_presets_shows_its_header(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes", "invariance"]) == 0
    assert capsys.readouterr().out.strip() == recipes.documentation("invariance")
    own = tmp_path / "own.py"
    own.write_text('"""My own."""\nfrom fullrank.recipes import Recipe\n\nclass Own(Recipe):\n    pass\n')
    assert main(["recipes", str(own)]) == 0
    assert capsys.readouterr().out == "My own.\n"
