"""Jing, Vincent, LeCun & Tian, "Understanding Dimensional Collapse in Contrastive Self-Supervised Learning", 2022."""

from __future__ import annotations

from statistics import mean

from torch import Tensor

from fullrank.data import load_dataset
from fullrank.errors import UserError
from fullrank.evaluate import ridge_accuracy
from fullrank.metrics import effective_rank
from fullrank.papers.experiment import Experiment, Outcome, Panel, Series, Settings
from fullrank.papers.judging import by_case, by_seed, differences, judge
from fullrank.papers.training import Job, Size, represent, train_all, usual_size
from fullrank.recipes.directclr import DirectCLR

_PARTS = (16, 64, 256)  # d0, of the 512 features of the encoder
_RANDOM = "random 64"


def sub_vector(settings: Settings, size: Size | None = None) -> Outcome:
    """Train on d0 features of the representation, fixed or drawn anew at each step, and probe part and whole."""
    jobs = [Job(f"first {d0}", "directclr", DirectCLR(d0=d0)) for d0 in _PARTS]
    jobs.append(Job(_RANDOM, "directclr", DirectCLR(d0=64, head="random")))
    runs = train_all(settings, jobs, size or usual_size(settings))
    dataset = load_dataset(settings.data, root=settings.data_root)
    if dataset.test is None:
        raise UserError(f"{settings.data} has no test set: pass one that has.")
    part: dict[str, list[float]] = {name: [] for name in runs}
    whole: dict[str, list[float]] = {name: [] for name in runs}
    rank: dict[str, list[float]] = {name: [] for name in runs}
    for name, folders in runs.items():
        for folder in folders:
            train, test = (represent(folder, images) for images in (dataset.train, dataset.test))
            d0 = int(name.split()[1])
            part[name].append(_probe(train, test, d0))
            whole[name].append(_probe(train, test, None))
            rank[name].append(float(effective_rank(test[0])))
    return _outcome(settings, part, whole, rank)


def _probe(train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor], d0: int | None) -> float:
    return 100 * ridge_accuracy(train[0][:, :d0], train[1], test[0][:, :d0], test[1])


def _outcome(
    settings: Settings, part: dict[str, list[float]], whole: dict[str, list[float]], rank: dict[str, list[float]]
) -> Outcome:
    gap = {name: differences(part[name], whole[name]) for name in part}
    first = [f"first {d0}" for d0 in _PARTS]
    effects = [*(gap[name] for name in first), differences(gap[first[-1]], gap[first[0]])]
    effects.append(differences(rank[_RANDOM], rank["first 64"]))
    gaps = ", ".join(f"{mean(gap[name]):.1f} at d0 = {d0}" for name, d0 in zip(first, _PARTS, strict=True))
    x = tuple(float(d0) for d0 in _PARTS)
    lines = [("whole representation", whole), ("first d0 features", part)]
    series = []
    for label, values in lines:
        series.append(Series(label=label, x=x, y=tuple(mean(values[name]) for name in first)))
        at = [(d0, value) for name, d0 in zip(first, x, strict=True) for value in values[name]]
        series.append(Series(label=label, x=tuple(a for a, _ in at), y=tuple(b for _, b in at), style="points"))
    return Outcome(
        verdict=judge(effects),
        measured=f"A linear probe loses, in points of accuracy, when it sees the trained sub-vector alone: {gaps}; the "
        f"effective rank of the representation is {mean(rank['first 64']):.1f} with 64 fixed features and "
        f"{mean(rank[_RANDOM]):.1f} with 64 random ones ({settings.averaged}).",
        panels=(
            Panel(
                title="linear probe of part and whole",
                x_label="features d0 that the loss sees, of 512",
                y_label="test accuracy (%)",
                series=tuple(series),
                log_x=True,
            ),
            by_case("effective rank of the representation", "dimensions", rank),
        ),
        rows=by_seed(
            "loss sees", {"probe of the part (%)": part, "probe of the whole (%)": whole, "effective rank": rank}
        ),
    )


SUB_VECTOR = Experiment(
    name="directclr/sub-vector",
    paper="Jing et al. 2022, appendices E and F",
    title="DirectCLR: the trained sub-vector and the rest",
    claim="The rest of the representation learns too: a probe of the whole beats one of the trained sub-vector, more "
    "so the smaller it is, and drawing the features at random costs rank.",
    minutes=3,
    full="100 epochs of Fashion-MNIST with ResNet-18",
    run=sub_vector,
    data=("fashion-mnist", "digits"),
)
