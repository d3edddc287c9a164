from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from fullrank.losses import MoCo, byol, simsiam
from fullrank.methods import TeacherStudent
from fullrank.methods.teacher_student import PairObjective
from fullrank.nn import Encoder, encoder, mlp


def method(objective: PairObjective = byol, *, momentum: float | None = 0.9, predictor: bool = True) -> TeacherStudent:
    torch.manual_seed(0)
    head = mlp(8, (16, 8)) if predictor else None
    tiny = encoder("tiny", image_size=16, channels=1)
    return TeacherStudent(tiny, mlp(512, (32, 8)), head, objective, momentum=momentum)


def views(count: int = 2) -> list[Tensor]:
    return list(torch.randn(count, 6, 1, 16, 16, generator=torch.Generator().manual_seed(1)))


def test_outputs() -> None:
    outputs = method()(views(3))
    shapes = {name: tuple(z.shape) for name, z in outputs.items()}
    assert shapes == {
        "representation": (3, 6, 512),
        "embedding": (3, 6, 8),
        "prediction": (3, 6, 8),
        "target": (3, 6, 8),
    }
    assert not outputs["target"].requires_grad
    assert outputs["prediction"].requires_grad


def test_the_teacher_starts_as_the_student_and_gets_no_gradient() -> None:
    teaching = method()
    outputs = teaching(views())
    torch.testing.assert_close(outputs["target"], outputs["embedding"].detach())
    teaching.loss(outputs)["loss"].backward()
    assert teaching.teacher is not None
    assert all(parameter.grad is None for parameter in teaching.teacher.parameters())
    assert not any(parameter.requires_grad for parameter in teaching.teacher.parameters())  # no optimizer has them
    assert all(parameter.grad is not None for parameter in teaching.encoder.parameters())


def test_without_a_teacher_the_target_is_the_embedding() -> None:
    outputs = method(simsiam, momentum=None)(views())
    assert torch.equal(outputs["target"], outputs["embedding"].detach())
    assert not outputs["target"].requires_grad


def test_without_a_predictor_the_prediction_is_the_embedding() -> None:
    outputs = method(MoCo(8, size=16), predictor=False)(views())
    assert torch.equal(outputs["prediction"], outputs["embedding"])


@pytest.mark.parametrize(("progress", "momentum"), [(0.0, 0.9), (0.5, 0.95), (1.0, 1.0)])
def test_intl_check_13_the_teacher_moves_by_the_cosine_schedule(progress: float, momentum: float) -> None:
    teaching = method()
    assert teaching.teacher is not None
    before = [parameter.clone() for parameter in teaching.teacher.parameters()]
    with torch.no_grad():
        for parameter in teaching.encoder.parameters():
            parameter.add_(1.0)
    teaching.update(progress)
    for old, new, student in zip(
        before,
        teaching.teacher.parameters(),
        [*teaching.encoder.parameters(), *teaching.projector.parameters()],
        strict=True,
    ):
        torch.testing.assert_close(new, momentum * old + (1 - momentum) * student)


def test_the_teachers_batch_norm_counts_its_own_batches() -> None:
    teaching = method()
    teaching(views())
    assert teaching.teacher is not None
    counters = [int(value) for name, value in teaching.teacher.named_buffers() if name.endswith("batches_tracked")]
    assert set(counters) == {2}  # one forward pass per view


def test_everything_is_in_the_state() -> None:
    teaching = method(MoCo(8, size=16), predictor=False)
    teaching.loss(teaching(views()))
    teaching.update(0.1)
    state = teaching.state_dict()
    assert "objective.queue" in state
    assert any(name.startswith("teacher.") for name in state)
    other = method(MoCo(8, size=16), predictor=False)
    other.load_state_dict(state)
    with torch.no_grad():
        first, second = (each.loss(each(views()))["loss"] for each in (teaching, other))
    assert torch.equal(first, second)


def _trained(predictor: bool, stop: bool, steps: int = 150) -> float:
    """SimSiam on noisy clusters; mean cosine of the embedding at the end, 1 is one direction."""
    torch.manual_seed(0)
    plain = Encoder(nn.Sequential(nn.Flatten(), *mlp(16, (64, 64))), width=64, name="mlp", channels=1, image_size=4)
    head = mlp(16, (8, 16)) if predictor else None

    def objective(p: Tensor, t: Tensor) -> dict[str, Tensor]:
        return simsiam(p, t)

    joint = TeacherStudent(plain, mlp(64, (64, 16), last_norm="none"), head, objective, momentum=None)
    steps_of = torch.optim.SGD(joint.parameters(), lr=0.3, momentum=0.9)
    centers = torch.randn(20, 1, 4, 4)
    for _ in range(steps):
        x = centers[torch.randint(0, 20, (128,))]
        outputs = joint([x + 0.5 * torch.randn_like(x), x + 0.5 * torch.randn_like(x)])
        loss = joint.loss(outputs)["loss"] if stop else -_cosine(outputs["prediction"])
        steps_of.zero_grad()
        loss.backward()
        steps_of.step()
    joint.eval()
    with torch.no_grad():
        z = nn.functional.normalize(joint([centers, centers])["embedding"][0], dim=1)
    return float((z.sum(0).square().sum() - 20) / (20 * 19))


def _cosine(p: Tensor) -> Tensor:
    a, b = nn.functional.normalize(p, dim=-1)
    cosine: Tensor = (a * b).sum(-1).mean()
    return cosine


@pytest.mark.slow
def test_the_architecture_keeps_from_collapse_what_the_loss_does_not() -> None:
    """SimSiam's own ablation: the same loss without stop-gradient and predictor goes to one direction."""
    assert _trained(predictor=False, stop=False) > 0.99
    assert _trained(predictor=True, stop=True) < 0.5
