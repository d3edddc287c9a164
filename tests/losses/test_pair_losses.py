"""The laws of losses of predictions and targets. Collapse is kept away by their architecture, and tested end to end
in tests/methods; simdino keeps it away by itself, and is tested for it in tests/losses."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.losses import DINO, NNCLR, PAIR_LOSSES, MoCo, Terms, byol, intl_with_teacher, moco_v3, simdino, simsiam
from fullrank.stats import normalize
from tests.losses.reference import check_reference

Pair = Callable[[Tensor, Tensor], Terms]


def fresh(name: str, features: int) -> Pair:
    torch.manual_seed(0)
    made: dict[str, Callable[[], Pair]] = {
        "byol": lambda: byol,
        "intl_with_teacher": lambda: intl_with_teacher,
        "DINO": lambda: DINO(features),
        "moco_v3": lambda: moco_v3,
        "simdino": lambda: simdino,
        "simsiam": lambda: simsiam,
        "MoCo": lambda: MoCo(features, size=32),
        "NNCLR": lambda: NNCLR(features, size=32),
    }
    return made[name]()


def pair(views: int = 2, samples: int = 6, features: int = 5, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shape = (2, views, samples, features)
    prediction, target = torch.randn(shape, generator=generator, dtype=torch.float64)
    return prediction, target


def both_directions(of: Callable[[Tensor, Tensor], Tensor], prediction: Tensor, target: Tensor) -> Tensor:
    """The mean over ordered pairs of views of a plain formula of one sample's prediction and another view's target."""
    views, samples = len(prediction), prediction.shape[1]
    pairs = [(a, b) for a in range(views) for b in range(len(target)) if a != b]
    return torch.stack([of(prediction[a, i], target[b, i]) for a, b in pairs for i in range(samples)]).mean()


def cosine(a: Tensor, b: Tensor) -> Tensor:
    return a @ b / (a.square().sum() * b.square().sum()).sqrt()


@pytest.mark.parametrize("views", [2, 3])
def test_byol_is_the_sum_of_both_directions(views: int) -> None:
    prediction, target = pair(views)

    def plain(p: Tensor) -> Tensor:
        return 2 * both_directions(lambda a, b: 2 - 2 * cosine(a, b), p, target)

    check_reference(partial(byol, target=target), plain, prediction)


@pytest.mark.parametrize("views", [2, 3])
def test_simsiam_is_the_mean_of_both_directions(views: int) -> None:
    prediction, target = pair(views)

    def plain(p: Tensor) -> Tensor:
        return -both_directions(cosine, p, target)

    check_reference(partial(simsiam, target=target), plain, prediction)


@pytest.mark.parametrize("views", [2, 3])
def test_w2_check_16_moco_is_the_cross_entropy_of_positive_and_queue(views: int) -> None:
    """With logits [positive, negatives] / 0.2, the queue before enqueue, both directions, all views enqueued."""
    query, key = pair(views)
    moco = MoCo(5, size=32).double()
    queue, keys = moco.queue.clone(), normalize(key.float()).double()

    def of_one(q: Tensor, k: Tensor) -> Tensor:
        q = q / q.square().sum().sqrt()
        logits = torch.cat([(q @ k)[None], queue @ q]) / 0.2
        return logits.exp().sum().log() - logits[0]

    def plain(q: Tensor) -> Tensor:
        return 2 * both_directions(of_one, q, keys)

    check_reference(partial(moco.eval(), key=key), plain, query)
    moco.train()(query, key)
    torch.testing.assert_close(moco.queue[: 6 * views], torch.cat([*keys]))
    torch.testing.assert_close(moco.queue[6 * views :], queue[: 32 - 6 * views])


def test_a_queue_is_in_the_state_and_only_training_moves_it() -> None:
    query, key = pair()
    moco = MoCo(5, size=8)
    before = moco.queue.clone()
    moco.eval()(query, key)
    assert torch.equal(moco.queue, before)
    moco.train()(query, key)  # more keys than places: the newest stay
    assert not torch.equal(moco.queue, before)
    assert moco.queue.shape == (8, 5)
    resumed = MoCo(5, size=8)
    resumed.load_state_dict(moco.state_dict())
    assert torch.equal(moco(query, key)["loss"], resumed(query, key)["loss"])
    assert torch.equal(moco.queue, resumed.queue)


@pytest.mark.parametrize("views", [2, 3])
def test_nnclr_contrasts_the_nearest_neighbors(views: int) -> None:
    prediction, target = pair(views)
    nnclr = NNCLR(5, size=32).double()
    queue, t = nnclr.queue.clone(), normalize(target.float()).double()

    def plain(prediction: Tensor) -> Tensor:
        p, losses = prediction / prediction.square().sum(2, keepdim=True).sqrt(), []
        for a, b in [(a, b) for a in range(views) for b in range(views) if a != b]:
            for i in range(6):
                shares = (p[a] @ queue[(queue @ t[b, i]).argmax()] / 0.1).exp()
                losses.append(shares.sum().log() - shares[i].log())
        return torch.stack(losses).mean()

    check_reference(partial(nnclr.eval(), target=target), plain, prediction)
    nnclr.train()(prediction, target)
    torch.testing.assert_close(nnclr.queue[:6], t[0])  # of the first view alone
    torch.testing.assert_close(nnclr.queue[6:], queue[:26])


def refusal(loss: Pair, prediction: Tensor, target: Tensor) -> str:
    """The sentence with which a loss refuses them."""
    with pytest.raises(UserError) as error:
        loss(prediction, target)
    return str(error.value)


def test_a_wrong_target_is_named_in_one_sentence_as_a_wrong_prediction_is() -> None:
    good = torch.ones(2, 6, 5)
    wrong = {
        "of shape (6, 5): pass embeddings as (views, samples, features).": good[0],
        "of shape (0, 6, 5), (views, samples, features)": good[:0],
        "of torch.int64: pass floating-point embeddings.": good.long(),
        "pass the same samples and features in both.": good[:, :4],
        "both.": good[:, :, :3],
        "on meta: pass both on one device.": good.to("meta"),
    }
    for loss in PAIR_LOSSES:
        for sentence, bad in wrong.items():
            told = refusal(fresh(loss.__name__, 5), good, bad)
            assert told.startswith(loss.__name__.lower() + " got "), told
            assert sentence in told, told
        for bad in (good[0], good[:0], good.long()):
            refusal(fresh(loss.__name__, 5), bad, good)


def test_a_loss_made_for_other_features_says_so() -> None:
    for name in ("DINO", "MoCo", "NNCLR"):
        z = torch.ones(2, 6, 4)
        assert "was made for 5 features" in refusal(fresh(name, 5), z, z)


def test_a_teacher_may_have_seen_one_view_alone() -> None:
    prediction, target = pair(views=3)
    for loss in PAIR_LOSSES:
        assert bool(fresh(loss.__name__, 5)(prediction, target[:1])["loss"].isfinite()), loss
    expected = 2 - 2 * both_directions(cosine, prediction, target[:1])
    torch.testing.assert_close(byol(prediction, target[:1])["loss"], 2 * expected)


def test_a_target_of_another_number_format_is_compared_in_that_of_the_prediction() -> None:
    prediction, target = pair()
    for loss in PAIR_LOSSES:
        value = fresh(loss.__name__, 5)(prediction.float(), target.half())["loss"]
        assert value.dtype == torch.float32, loss
