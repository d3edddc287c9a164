"""Weng et al., ICLR 2024: INTL with a moving-average teacher and with six crops."""

from __future__ import annotations

from dataclasses import replace
from statistics import mean

from fullrank.papers.kit.experiment import Experiment, Outcome, Settings
from fullrank.papers.kit.judging import by_case, by_seed
from fullrank.papers.kit.parts import POINTS, higher
from fullrank.papers.kit.represented import image_sets, unseen_accuracies
from fullrank.papers.kit.training import Job, Size, numbers, train_all, usual_size
from fullrank.recipes.intl import INTL
from fullrank.training.choose import image_side

_PLAIN, _BOTH = "INTL", "teacher and crops"
_SIZES = (224, 224, 192, 160, 128, 96)  # pixels of the authors' views on ImageNet


def teacher_crops(settings: Settings, size: Size | None = None) -> Outcome:
    """Two views, six, a teacher, and both: as many images and steps each.

    The six views have the authors' sizes, in proportion. Their momentum of 0.996 averages over 250 steps, more than
    there are here: it is 0.9, 10 steps, but for --full.
    """
    chosen = size or replace(usual_size(settings), looks=1)
    side = chosen.image_size or image_side(image_sets(settings)[0])[0]
    crops = ",".join(f"{round(side * pixels / max(_SIZES))}" for pixels in _SIZES)
    momentum = 0.996 if settings.full else 0.9
    recipes = {
        _PLAIN: INTL(),
        "teacher": INTL(teacher=momentum),
        "crops": INTL(crops=crops),
        _BOTH: INTL(teacher=momentum, crops=crops),
    }
    runs = train_all(settings, [Job(name, "intl", recipe) for name, recipe in recipes.items()], chosen)
    accuracy, linear = unseen_accuracies(settings, runs)
    rank, spread = (numbers(runs, "embedding", number) for number in ("effective_rank", "relative_spread"))
    width = INTL().projector[-1]
    words = ", ".join(f"{name} {mean(values):.1f} % and {mean(rank[name]):.1f}" for name, values in accuracy.items())
    return Outcome(
        measured=f"kNN accuracy, and effective rank of the embedding, of {width}: {words} ({settings.averaged}; crops "
        f"of {crops} pixels, momentum {momentum:g}).",
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
    caveat="The six crops have blur, solarize and another scale of crops, on 7 to 16 px, and the two views do "
    "not: without them the sign is not consistent.",
    parts=(
        higher("kNN accuracy (%)", _BOTH, _PLAIN, POINTS, "code"),
        higher("kNN accuracy (%)", "teacher", _PLAIN, POINTS, "ours"),
        higher("kNN accuracy (%)", "crops", _PLAIN, POINTS, "ours"),
    ),
    data="fashion-mnist",
)
