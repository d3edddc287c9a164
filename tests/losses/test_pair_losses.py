"""The laws of losses of predictions and targets. Collapse is kept away by their architecture, and tested end to end
in tests/methods; simdino keeps it away by itself, and is tested for it in tests/losses."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.losses import DINO, NNCLR, PAIR_LOSSES, MoCo, Terms, byol, intl_with_teacher, moco_v3, simdino, simsiam
from fullrank.stats import normalize

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


def cosine(a: Tensor, b: Tensor) -> Tensor:
    return (normalize(a) * normalize(b)).sum(-1).mean()


def test_byol_is_the_sum_of_both_directions() -> None:
    (p1, p2), (t1, t2) = pair()
    expected = (2 - 2 * cosine(p1, t2)) + (2 - 2 * cosine(p2, t1))
    torch.testing.assert_close(byol(*pair())["loss"], expected)


def test_simsiam_is_the_mean_of_both_directions() -> None:
    (p1, p2), (t1, t2) = pair()
    torch.testing.assert_close(simsiam(*pair())["loss"], -(cosine(p1, t2) + cosine(p2, t1)) / 2)


def test_w2_check_16_moco_is_the_cross_entropy_of_positive_and_queue() -> None:
    """With logits [positive, negatives] / 0.2, the queue before enqueue, both directions, both views enqueued."""
    query, key = pair()
    moco = MoCo(5, size=32).double()
    queue = moco.queue.clone()
    (q1, q2), (k1, k2) = normalize(query), normalize(key.float()).double()
    expected = torch.zeros((), dtype=torch.float64)
    for q, k in ((q1, k2), (q2, k1)):
        for i in range(6):
            logits = torch.cat([(q[i] @ k[i])[None], queue @ q[i]]) / 0.2
            expected = expected - torch.log_softmax(logits, 0)[0] / 6
    torch.testing.assert_close(moco(query, key)["loss"], expected)
    torch.testing.assert_close(moco.queue[:12], torch.cat([k1, k2]))
    torch.testing.assert_close(moco.queue[12:], queue[:20])


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


def test_nnclr_contrasts_the_nearest_neighbors() -> None:
    prediction, target = pair()
    nnclr = NNCLR(5, size=32).double()
    queue = nnclr.queue.clone()
    p, t = normalize(prediction), normalize(target.float()).double()
    expected = torch.zeros((), dtype=torch.float64)
    for a, b in ((0, 1), (1, 0)):
        for i in range(6):
            neighbor = queue[(queue @ t[b, i]).argmax()]
            expected = expected - torch.log_softmax(p[a] @ neighbor / 0.1, 0)[i] / 12
    torch.testing.assert_close(nnclr(prediction, target)["loss"], expected)
    torch.testing.assert_close(nnclr.queue[:6], t[0])


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
    expected = 2 - 2 * (cosine(prediction[1], target[0]) + cosine(prediction[2], target[0])) / 2
    torch.testing.assert_close(byol(prediction, target[:1])["loss"], 2 * expected)


def test_a_target_of_another_number_format_is_compared_in_that_of_the_prediction() -> None:
    prediction, target = pair()
    for loss in PAIR_LOSSES:
        value = fresh(loss.__name__, 5)(prediction.float(), target.half())["loss"]
        assert value.dtype == torch.float32, loss
