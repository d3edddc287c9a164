"""What folders mean: every usual layout is understood and said, and what is ambiguous asks for its flag."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from fullrank.data import DataOptions, ImageFolder, load_dataset
from fullrank.errors import UserError
from fullrank.evaluation.evaluate import divide
from fullrank.training.probe import take_probe
from tests.data.trees import load, tree, understood

SPLITS = "4 images, 2 classes (brick, wood), 4 test images"


@pytest.mark.parametrize("train", ["train", "Training", "TRAIN"])
@pytest.mark.parametrize(
    "test", ["val", "valid", "validation", "dev", "test", "testing", "eval", "Validation", "EVAL", "evaluation"]
)
def test_splits_have_every_usual_name_in_any_case(tmp_path: Path, train: str, test: str) -> None:
    tree(tmp_path, *(f"{split}/{name}" for split in (train, test) for name in ("brick", "wood")))
    assert understood(tmp_path) == f"{SPLITS}; trained on {train}/, tested on {test}/"


LAYOUTS = [
    (("brick", "wood"), "4 images, 2 classes (brick, wood), no test set"),
    (("train/brick", "train/wood"), "4 images, 2 classes (brick, wood), no test set; trained on train/"),
    (("set/train/brick", "set/train/wood", "set/val/brick", "set/val/wood"),
     f"{SPLITS}; read in set/; trained on train/, tested on val/"),
    (("train/brick", "train/wood", "test/brick", "test/wood", "val/wood"),
     f"{SPLITS}; trained on train/, tested on test/; val/ (2 images) is not used"),
    (("train/brick", "train/wood", "val/brick", "val/wood", "test"),
     f"{SPLITS}; trained on train/, tested on val/; test/ (2 images) has no labels and is not used"),
    (("train/brick", "train/wood", "val"),
     "4 images, 2 classes (brick, wood), no test set; trained on train/; "
     "val/ (2 images) has no labels and is not used"),
    (("train", "test"), "2 images, no labels, 2 test images; trained on train/, tested on test/"),
    (("train/brick", "train/wood", "val/brick", "val/wood", "stray.png"),
     f"{SPLITS}; trained on train/, tested on val/; 1 image beside the splits left out"),
    (("train/brick", "train/wood", "val/brick", "val/wood", "extra/brick"),
     f"{SPLITS}; trained on train/, tested on val/; 2 images in extra/, which is not a split, left out"),
    (("bus", "car", "train"), "6 images, 3 classes (bus, car, ...), no test set"),
    (("dev", "prod"), "4 images, 2 classes (dev, prod), no test set"),
    (("train/images", "train/labels/0.txt", "val/images"),
     "2 images, no labels, 2 test images, 1 file left out (.txt 1); trained on train/, tested on val/"),
    (("training_set/brick", "training_set/wood", "test_set/brick", "test_set/wood"),
     f"{SPLITS}; trained on training_set/, tested on test_set/"),
    (("seg_train/seg_train/brick", "seg_train/seg_train/wood", "seg_test/seg_test/brick", "seg_test/seg_test/wood",
      "seg_pred"),
     f"{SPLITS}; trained on seg_train/, tested on seg_test/; "
     "2 images in seg_pred/, which is not a split, left out"),
    (("train2017", "val2017"), "2 images, no labels, 2 test images; trained on train2017/, tested on val2017/"),
    (("test_tube", "flask"), "4 images, 2 classes (flask, test_tube), no test set"),
    (("brick/train", "brick/test", "wood/train", "wood/test"), f"{SPLITS}; trained on */train/, tested on */test/"),
    (("images", "masks"),
     "2 images, no labels, no test set; 2 images in masks/, beside the images, left out; read in images/"),
    (("train/images", "train/masks", "test/images", "test/masks"),
     "2 images, no labels, 2 test images; 4 images in masks/, beside the images, left out; "
     "trained on train/, tested on test/"),
    (("masks", "hats"), "4 images, 2 classes (hats, masks), no test set"),
    (("day/brick", "night/wood"), "4 images, 2 classes (day, night), no test set"),
    (("brick/images", "wood/images"), "4 images, 2 classes (brick, wood), no test set"),
    (("brick/train/images", "brick/test/images", "wood/train/images", "wood/test/images"),
     f"{SPLITS}; trained on */train/, tested on */test/"),
    (("only", "only/stray.png"), "3 images, no labels, no test set; read in only/"),
    (("brick/a.xyz", "brick/b.XYZ", "brick", "wood", "notes.txt", "LICENSE"),
     "4 images, 2 classes (brick, wood), no test set, 4 files left out (.xyz 2, .txt 1, no ending 1)"),
]  # fmt: skip


@pytest.mark.parametrize(("places", "line"), LAYOUTS)
def test_a_folder_is_understood_and_said(tmp_path: Path, places: tuple[str, ...], line: str) -> None:
    assert understood(tree(tmp_path, *places)) == line


AMBIGUOUS = [
    (("val/brick", "test/brick"), "which may be splits or classes: pass --split with the folders to train and"),
    (("train/brick", "training/brick", "val/brick"), "such as --split train,val, or --split none"),
    (
        ("train/brick", "train/wood", "val/brick", "dev/brick"),
        r"holds dev/, val/, of which one can be .* --split train,dev",
    ),
    (("train/brick", "train/wood", "bus", "car"), "may be splits or classes"),
    (("train", "unlabeled"), "holds train/, unlabeled/, which may be splits or classes"),
    (
        ("train/brick", "train/wood", "a.png", "b.png"),
        "holds train/ beside 2 images, which .* such as --split train, or",
    ),
    (
        ("fold1/brick", "fold1/wood", "fold2/brick", "fold2/wood"),
        r"holds fold1/, fold2/, and most of these hold brick/, wood/: pass --labels folders .* --data .*fold1 .*fold2",
    ),
    (
        ("train/art/brick", "train/art/wood", "train/photo/brick", "train/photo/wood", "val/photo/brick"),
        "train holds art/, photo/, and most of these hold brick/, wood/: pass --labels folders if the outer",
    ),
    (
        tuple(f"fold{fold}/{part}/{name}" for fold in "12" for part in ("train", "test") for name in ("brick", "wood")),
        r"holds fold1/, fold2/, and most of these hold brick/, wood/: "
        r".* --data \S*fold1 \S*fold2 \(or one of them\) if",
    ),
    (
        ("art/train/brick", "art/train/wood", "real/train/brick", "real/train/wood"),
        "holds art/, real/, and most of these hold brick/, wood/",
    ),
    (
        tuple(f"{domain}/images/{name}" for domain in ("amazon", "dslr", "webcam") for name in ("brick", "wood")),
        "holds amazon/, dslr/, webcam/, and most of these hold brick/, wood/",
    ),
    (
        ("a/a_v1/data/train/brick", "a/a_v1/data/train/wood", "b/b_v2/brick", "b/b_v2/wood"),
        "holds a/, b/, and most of these hold brick/, wood/",
    ),
    (
        ("brick/train", "brick/test", "wood/train", "wood/test", "stone/train"),
        "holds brick/, stone/, wood/, and most of these hold test/, train/",
    ),
    (
        ("labeled/brick", "labeled/wood", "unlabeled"),
        r"holds labeled/, unlabeled/, and of these only labeled/ holds folders \(brick/, wood/\): "
        r"pass --labels folders if .* --data \S*/labeled if the inner",
    ),
    (("labeled/train/brick", "labeled/train/wood", "unlabeled/images"), "of these only labeled/ holds folders"),
    (("brick", "wood", "a.png", "b.png"), r"2 images beside 2 folders \(brick/, wood/\) with 4: pass --labels folders"),
]


@pytest.mark.parametrize(("places", "text"), AMBIGUOUS)
def test_what_is_ambiguous_asks_for_its_flag(tmp_path: Path, places: tuple[str, ...], text: str) -> None:
    with pytest.raises(UserError, match=text):
        understood(tree(tmp_path, *places))


def test_flags_decide(tmp_path: Path) -> None:
    tree(tmp_path, "train/brick", "train/wood", "dev/brick", "val/brick", "val/wood")
    assert understood(tmp_path, split="train,val").startswith(SPLITS)
    assert understood(tmp_path, split="val,train").endswith(
        "trained on val/, tested on train/; 2 images in dev/, which --split does not name, left out"
    )
    assert "no test set; trained on train/" in understood(tmp_path, split="train")
    assert understood(tmp_path, split="none") == "10 images, 3 classes (dev, train, ...), no test set"
    assert understood(tmp_path, split="train,val", labels="none").startswith("4 images, no labels, 4 test images; ")
    with pytest.raises(UserError, match=r"--split fit: .* has no folder fit with images, only dev/, train/, val/"):
        understood(tmp_path, split="fit")
    with pytest.raises(UserError, match="pass the folder to train on and one to test on"):
        understood(tmp_path, split="train,val,dev")
    mixed = tree(tmp_path / "mixed", "a", "b", "1.png", "2.png")
    assert understood(mixed, labels="folders") == "6 images, 2 classes (a, b), 2 of no class, no test set"
    assert understood(mixed, labels="none") == "6 images, no labels, no test set; labels left out by --labels none"
    flat = tree(tmp_path / "flat", ".")
    with pytest.raises(UserError, match=r"--labels folders: .* has 0 folders of images, and classes are two or more"):
        understood(flat, labels="folders")


def test_folders_that_repeat_in_splits_are_decided(tmp_path: Path) -> None:
    """Folds and domains became the classes."""
    tree(
        tmp_path, *(f"{art}/{part}/{name}" for art in "ab" for part in ("train", "test") for name in ("brick", "wood"))
    )
    assert "8 images, 2 classes (a, b), 8 test images" in understood(tmp_path, labels="folders")
    assert understood(tmp_path, labels="none").startswith("8 images, no labels, 8 test images")
    both = load_dataset([str(tmp_path / "a"), str(tmp_path / "b")]).inventory().line()
    assert "8 images, 2 classes (brick, wood), 8 test images" in both
    assert understood(tmp_path / "a").startswith(SPLITS)


def test_a_stray_image_does_not_remove_labels(tmp_path: Path) -> None:
    tree(tmp_path, "brick", "wood", "stray.png", count=10)
    data = load_dataset(str(tmp_path))
    assert data.inventory().line().endswith("21 images, 2 classes (brick, wood), 1 of no class, no test set")
    assert data.train.labels is not None
    assert int((data.train.labels >= 0).sum()) == 20
    assert len(divide(data, seed=0).train) == 16
    probe = take_probe(data.train, size=4, count=100, seed=0)
    assert (len(probe.images), probe.labels is None) == (20, False)


def test_a_class_of_the_test_set_alone_is_an_error_of_evaluate(tmp_path: Path) -> None:
    tree(tmp_path, "train/a", "train/b", "val/b", "val/c")
    data = load_dataset(str(tmp_path))
    assert data.test is not None
    assert data.train.classes == ("a", "b")
    assert data.test.classes == ("a", "b", "c")
    assert data.test.labels is not None
    assert data.test.labels.tolist() == [1, 1, 2, 2]
    with pytest.raises(UserError, match=r"1 of the 3 classes of the test set have no training images \(c\).*--classes"):
        divide(data, seed=0)
    (tmp_path / "keep.txt").write_text("a\nb\n")
    kept = load_dataset(str(tmp_path), options=DataOptions(classes=tmp_path / "keep.txt"))
    assert len(divide(kept, seed=0).test) == 2


def test_tiny_imagenet(tmp_path: Path) -> None:
    tree(
        tmp_path,
        *(f"train/{name}/images" for name in ("n01", "n02")),
        "val/images",
        "test/images",
        "wnids.txt",
        "train/n01/n01_boxes.txt",
    )
    (tmp_path / "val" / "val_annotations.txt").write_text("0.png\tn02\t0\t0\t62\t62\n1.png\tn01\t0\t0\t62\t62\n")
    data = load_dataset(str(tmp_path))
    assert (
        data.inventory()
        .line()
        .endswith(
            "4 images, 2 classes (n01, n02), 2 test images, 3 files left out (.txt 3); "
            "trained on train/, tested on val/; test/ (2 images) has no labels and is not used"
        )
    )
    assert data.test is not None
    assert data.test.labels is not None
    assert data.test.labels.tolist() == [1, 0]


@pytest.mark.parametrize("where", [".", "ILSVRC/Data/CLS-LOC"])
def test_imagenet_as_it_is_downloaded(tmp_path: Path, where: str) -> None:
    base = tmp_path / "ILSVRC" / "Data" / "CLS-LOC"
    tree(base, "train/n01", "train/n02", "val/v_1.png", "val/v_2.png", "test")
    (tmp_path / "LOC_val_solution.csv").write_text(
        "ImageId,PredictionString\nv_2,n01 1 2 3 4\nv_1,n02 1 2 3 4 n02 1 1 2 2\n"
    )
    data = load_dataset(str(tmp_path / where))
    assert data.test is not None
    assert data.test.labels is not None
    assert data.test.labels.tolist() == [1, 0]


def test_the_built_in_set_says_that_it_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree(tmp_path, "digits/a", "digits/b"))
    assert (
        load_dataset("digits").inventory().line().endswith("not what lies here under this name: pass ./digits for that")
    )
    assert load_dataset("./digits").inventory().line().startswith("digits: 4 images")


def test_the_line_is_printed_when_a_training_is_prepared(tmp_path: Path) -> None:
    from fullrank import recipes
    from fullrank.engine import RunOptions
    from fullrank.training.fit import prepare

    tree(tmp_path, "brick", "wood", "notes.txt", count=4)
    recipe = recipes.load("simclr")(data=str(tmp_path), image_size=8, batch_size=4, steps=1)
    said = io.StringIO()
    prepare(recipe, RunOptions(), Console(file=said, width=200))
    assert (
        said.getvalue()
        == f"{tmp_path.name}: 8 images, 2 classes (brick, wood), no test set, 1 file left out (.txt 1)\n"
    )


def test_folders_and_files_whose_names_sort_around_a_slash_keep_their_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = ("a", "a-b", "a.png", "a0", "a b", "ä", "b")
    tree(tmp_path, *(f"train/{name}/0.png" for name in folders), "train/a!.png", "test/a-b/x/y.png")
    monkeypatch.chdir(tmp_path)
    for place in (".", "train/..", str(tmp_path)):
        data = load(Path(place), labels="folders")
        assert isinstance(data.train, ImageFolder)
        assert data.train.labels is not None
        parents = [Path(file).parent.name for file in data.train.files]
        named = [data.train.classes[label] if label >= 0 else "train" for label in data.train.labels.tolist()]
        assert named == parents
        assert sorted(parents) == sorted(["train", *folders])
        assert data.test is not None
        assert data.test.labels is not None
        assert [data.test.classes[label] for label in data.test.labels.tolist()] == ["a-b"]
