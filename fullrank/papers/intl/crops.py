"""Weng et al., ICLR 2024: INTL with a moving-average teacher and with six crops, and what their colors cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from statistics import mean

from fullrank.papers.kit.experiment import Experiment, Outcome, Settings
from fullrank.papers.kit.judging import by_case, by_seed
from fullrank.papers.kit.parts import POINTS, higher
from fullrank.papers.kit.represented import image_sets, unseen_accuracies
from fullrank.papers.kit.training import Job, Size, numbers, train_all, usual_size
from fullrank.recipes.intl import INTL
from fullrank.training.choose import image_side

_PLAIN, _BOTH, _ALIKE = "INTL", "teacher and crops", "two views as the crops are drawn"
_SIZES = (224, 224, 192, 160, 128, 96)  # pixels of the authors' views on ImageNet


def teacher_crops(settings: Settings, size: Size | None = None) -> Outcome:
    """Two views, six, a teacher, and both: as many images and steps each.

    The six views have the authors' sizes, in proportion. Their momentum of 0.996 averages over 250 steps, more than
    150: it is 0.9, 10 steps, whatever --steps, but for --full.
    """
    crops, momentum = _six(_side(settings, size)), _momentum(settings)
    recipes = {
        _PLAIN: INTL(),
        "teacher": INTL(teacher=momentum),
        "crops": INTL(crops=crops),
        _BOTH: INTL(teacher=momentum, crops=crops),
    }
    return _trained(settings, size, recipes, f"crops of {crops} pixels, momentum {momentum:g}")


def crops_alike(settings: Settings, size: Size | None = None) -> Outcome:
    """Two views by the preset, two as the six are drawn, with blur, solarize and their scale, and the teacher with six.

    Two views of one size are the preset's, so those that are drawn as the six differ by a pixel.
    """
    side = _side(settings, size)
    two, crops, momentum = f"{side},{side - 1}", _six(side), _momentum(settings)
    recipes = {_PLAIN: INTL(), _ALIKE: INTL(crops=two), _BOTH: INTL(teacher=momentum, crops=crops)}
    return _trained(settings, size, recipes, f"two views of {two} and six of {crops} pixels, momentum {momentum:g}")


def _side(settings: Settings, size: Size | None) -> int:
    return (size or usual_size(settings)).image_size or image_side(image_sets(settings)[0])[0]


def _six(side: int) -> str:
    return ",".join(f"{round(side * pixels / max(_SIZES))}" for pixels in _SIZES)


def _momentum(settings: Settings) -> float:
    return 0.996 if settings.full else 0.9


def _trained(settings: Settings, size: Size | None, recipes: Mapping[str, INTL], how: str) -> Outcome:
    jobs = [Job(name, "intl", recipe) for name, recipe in recipes.items()]
    runs = train_all(settings, jobs, size or replace(usual_size(settings), looks=1))
    accuracy, linear = unseen_accuracies(settings, runs)
    rank, spread = (numbers(runs, "embedding", number) for number in ("effective_rank", "relative_spread"))
    width = INTL().projector[-1]
    words = ", ".join(f"{name} {mean(values):.1f} % and {mean(rank[name]):.1f}" for name, values in accuracy.items())
    return Outcome(
        measured=f"kNN accuracy, and effective rank of the embedding, of {width}: {words} ({settings.averaged}; "
        f"{how}).",
        panels=(
            by_case("kNN accuracy", "% of the test images", accuracy),
            by_case("effective rank of the embedding", f"dimensions of {width}", rank),
            by_case("spread of the embedding", "relative spread, 0 (one point) to 1", spread),
        ),
        rows=by_seed(
            "training",
            {"kNN accuracy (%)": accuracy, "linear (%)": linear, "effective rank": rank, "relative spread": spread},
        ),
    )


TEACHER_CROPS = Experiment(
    name="intl/teacher-crops",
    paper="Weng et al. 2024, and the authors' README (ImageNet, 800 epochs)",
    title="A teacher and six crops",
    claim="A moving-average teacher and multi-crop together raise INTL's accuracy.",
    minutes=18,
    full="ResNet-18 for 100 epochs at 28 px, with our settings",
    trainings=4,
    run=teacher_crops,
    caveat="The six crops have blur, solarize and another scale, on 7 to 16 px, and the two views do not; but in color "
    "two views that are drawn so are ahead as well (`intl/crops-alike`), and after 900 steps the crops alone are ahead "
    "of two views; whether of the teacher with crops, and of anything after 4,000, cannot be told. The teacher's "
    "momentum is 0.9 at every budget, so that 900 and 4,000 steps are no test of the authors' 0.996. The embedding has "
    "as many dimensions as the batch has samples, which are whitened; the authors' has eight times as many or more.",
    parts=(
        higher("kNN accuracy (%)", _BOTH, _PLAIN, POINTS, "code"),
        higher("kNN accuracy (%)", "teacher", _PLAIN, POINTS, "ours"),
        higher("kNN accuracy (%)", "crops", _PLAIN, POINTS, "ours"),
    ),
    data="fashion-mnist",
)

CROPS_ALIKE = Experiment(
    name="intl/crops-alike",
    paper="Weng et al. 2024, and the authors' README (ImageNet, 800 epochs)",
    title="Two views that are drawn as the six crops are",
    claim="Where a teacher and six crops cost accuracy, it is for how the crops are drawn, with blur, solarize and "
    "another scale: above two views that are drawn so, they raise it.",
    minutes=10,
    full="ResNet-18 for 100 epochs at 28 px, with our settings",
    trainings=3,
    run=crops_alike,
    caveat="One of the two views is a pixel smaller.",
    parts=(
        higher("kNN accuracy (%)", _BOTH, _ALIKE, POINTS, "ours"),
        higher("kNN accuracy (%)", _PLAIN, _ALIKE, POINTS, "ours"),
    ),
    data="fashion-mnist",
)
