from __future__ import annotations

from typing import get_args

import pytest
import torch

from fullrank.nn.directclr_heads import Head, LowRank, directclr_head


@pytest.mark.parametrize(
    ("head", "width", "trainable"),
    [
        ("first", 5, 0), ("random", 5, 0), ("group", 16, 0), ("none", 16, 0), ("linear", 128, 16 * 128),
        ("mlp", 128, 16 * 16 + 16 * 128 + 2 * (16 + 128)),
        ("orthogonal", 16, 16 * 16), ("diagonal", 16, 16), ("low-rank", 16, 0),
    ],
)  # fmt: skip
def test_every_head(head: Head, width: int, trainable: int) -> None:
    torch.manual_seed(0)
    module = directclr_head(head, 16, 5)
    assert module(torch.randn(3, 16)).shape == (3, width)
    assert sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad) == trainable


def test_all_heads_are_tested() -> None:
    assert len(get_args(Head)) == 9


def test_the_orthogonal_head_keeps_lengths() -> None:
    torch.manual_seed(0)
    h = torch.randn(4, 16)
    torch.testing.assert_close(directclr_head("orthogonal", 16, 5)(h).norm(dim=1), h.norm(dim=1))


def test_the_low_rank_head_has_d0_singular_values_of_one() -> None:
    torch.manual_seed(0)
    values = torch.linalg.svdvals(LowRank(16, rank=5).weight)
    torch.testing.assert_close(values, torch.tensor([1.0] * 5 + [0.0] * 11), rtol=0, atol=1e-5)


@pytest.mark.parametrize("views", [2, 4])
def test_all_views_of_a_step_meet_the_same_random_features_and_the_next_step_others(views: int) -> None:
    torch.manual_seed(0)
    head, h = directclr_head("random", 100, 5, views=views), torch.arange(100.0)[None]
    first, *others = (head(h) for _ in range(views))
    assert all(torch.equal(first, other) for other in others)
    assert not torch.equal(first, head(h))


def test_the_group_head_shuffles_all_features_in_training_only() -> None:
    head, h = directclr_head("group", 50, 5), torch.arange(50.0)[None]
    shuffled = head(h)
    assert torch.equal(shuffled.sort().values, h)
    assert not torch.equal(shuffled, h)
    assert torch.equal(head.eval()(h), h)


@pytest.mark.parametrize("name", ["random", "group"])
def test_every_process_draws_the_same_features_and_a_resumed_run_goes_on_drawing(name: Head) -> None:
    torch.manual_seed(0)
    head, resumed = directclr_head(name, 50, 5), directclr_head(name, 50, 5)
    h = torch.arange(50.0)[None]
    for _ in range(4):
        head(h)  # two steps of two views
    resumed.load_state_dict(head.state_dict())
    torch.manual_seed(1)  # the network's random numbers differ between processes
    assert torch.equal(resumed(h), head(h))
    assert not torch.equal(directclr_head(name, 50, 5)(h), directclr_head(name, 50, 5)(h))  # each has its own seed


def test_the_gradient_reaches_only_the_first_features() -> None:
    h = torch.randn(3, 16, requires_grad=True)
    directclr_head("first", 16, 5)(h).square().sum().backward()
    assert h.grad is not None
    assert bool((h.grad[:, :5] != 0).all())
    assert bool((h.grad[:, 5:] == 0).all())
