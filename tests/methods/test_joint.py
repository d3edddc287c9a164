from __future__ import annotations

import torch
from torch import Tensor, nn

from fullrank.losses import Terms, alignment, combine
from fullrank.methods import JointEmbedding
from fullrank.nn import encoder, mlp


def method(objective: object = alignment) -> JointEmbedding:
    torch.manual_seed(0)
    return JointEmbedding(encoder("tiny", image_size=16, channels=1), mlp(512, (32, 8)), objective)  # type: ignore[arg-type]


def test_outputs_are_views_samples_features() -> None:
    outputs = method()([torch.randn(4, 1, 16, 16) for _ in range(3)])
    assert {name: tuple(z.shape) for name, z in outputs.items()} == {
        "representation": (3, 4, 512),
        "embedding": (3, 4, 8),
    }


def test_views_of_different_size_go_through_the_same_encoder() -> None:
    outputs = method()([torch.randn(4, 1, 16, 16), torch.randn(4, 1, 12, 12)])
    assert outputs["embedding"].shape == (2, 4, 8)


def test_batch_norm_sees_one_view_at_a_time() -> None:
    """The outputs of one view do not depend on what the other view is."""
    joint = method()
    first, second, other = torch.randn(3, 4, 1, 16, 16)
    torch.testing.assert_close(joint([first, second])["embedding"][0], joint([first, other])["embedding"][0])


def test_the_loss_is_the_objective_of_the_embedding() -> None:
    joint = method()
    outputs = joint([torch.randn(4, 1, 16, 16), torch.randn(4, 1, 16, 16)])
    assert torch.equal(joint.loss(outputs)["loss"], alignment(outputs["embedding"])["loss"])


def test_the_state_of_an_objective_is_in_the_checkpoint() -> None:
    class Running(nn.Module):
        mean: Tensor

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", torch.zeros(8))

        def forward(self, z: Tensor) -> Terms:
            self.mean = 0.9 * self.mean + 0.1 * z.detach().mean((0, 1))
            return combine({"drift": (1.0, self.mean.square().sum())})

    joint = method(Running())
    joint.loss(joint([torch.randn(4, 1, 16, 16), torch.randn(4, 1, 16, 16)]))
    state = joint.state_dict()
    assert float(state["objective.mean"].abs().sum()) > 0
    fresh = method(Running())
    fresh.load_state_dict(state)
    torch.testing.assert_close(fresh.state_dict()["objective.mean"], state["objective.mean"])
