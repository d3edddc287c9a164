"""One world: two processes with half the batch each train every method as one process with the whole batch does."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.multiprocessing.spawn import spawn

from fullrank.engine.gather import gather
from fullrank.losses import DINO, NNCLR, MoCo, SwAV, byol, intl_with_teacher, moco_v3, simdino, simsiam
from fullrank.methods import JointEmbedding, Method, SelfDistillation, TeacherStudent
from fullrank.nn import Encoder, Prototypes
from tests.processes import joined

WORLD, STEPS = 2, 3
VIEWS = torch.randn(STEPS, 3, 8, 1, 4, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
State = dict[str, Tensor]

METHODS: dict[str, Callable[[Encoder, nn.Module, nn.Module], Method]] = {
    "byol": lambda e, p, q: TeacherStudent(e, p, q, byol, momentum=0.5),
    "simsiam": lambda e, p, q: TeacherStudent(e, p, q, simsiam, momentum=None),
    "moco": lambda e, p, q: TeacherStudent(e, p, None, MoCo(6, size=40), momentum=0.5, final=0.9),
    "moco_v3": lambda e, p, q: TeacherStudent(e, p, q, moco_v3, momentum=0.5),
    "simdino": lambda e, p, q: TeacherStudent(e, p, None, simdino, momentum=0.5, teacher_views=slice(2)),
    "swav": lambda e, p, q: JointEmbedding(e, p, SwAV(6, prototypes=5)),
    "dino": lambda e, p, q: SelfDistillation(e, p, Prototypes(6, 5), DINO(5), momentum=0.5),
    "nnclr": lambda e, p, q: TeacherStudent(e, p, q, NNCLR(6, size=40), momentum=None),
    "intl": lambda e, p, q: TeacherStudent(
        e,
        p,
        None,
        partial(intl_with_teacher, beta=0.05),
        momentum=0.5,
        student_views=slice(1, None),
        teacher_views=slice(1),
    ),
}


def make(name: str) -> Method:
    """Linear parts, since batch norm is not synchronized on CPUs."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 10))
    encoder = Encoder(model, width=10, name="linear", channels=1, image_size=4)
    return METHODS[name](encoder, nn.Linear(10, 6), nn.Linear(6, 6)).double()


def train(name: str, views: Tensor) -> State:
    """Losses, and all weights and buffers, after a few steps; gradients are averaged over processes as DDP does."""
    method = make(name)
    stepper = torch.optim.SGD([p for p in method.parameters() if p.requires_grad], lr=0.1)
    losses = []
    for step, batch in enumerate(views):
        if step > 0:
            method.update(step / STEPS)
        outputs = {key: gather(z, dim=1) for key, z in method(list(batch)).items()}
        loss = method.loss(outputs)["loss"]
        stepper.zero_grad()
        loss.backward()
        for parameter in method.parameters():
            if parameter.grad is not None and dist.is_initialized():
                dist.all_reduce(parameter.grad)
                parameter.grad /= WORLD
        stepper.step()
        losses.append(loss.detach())
    return {**method.state_dict(), "losses": torch.stack(losses)}


def process(rank: int, folder: str) -> None:
    with joined(rank, WORLD, folder):
        torch.save({name: train(name, VIEWS.chunk(WORLD, dim=2)[rank]) for name in METHODS}, f"{folder}/{rank}.pt")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, State]]:
    folder = tmp_path_factory.mktemp("world")
    spawn(process, args=(str(folder),), nprocs=WORLD)
    return [torch.load(Path(folder) / f"{rank}.pt", weights_only=True) for rank in range(WORLD)]


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_two_processes_train_as_one(world: list[dict[str, State]], name: str) -> None:
    alone, start = train(name, VIEWS), make(name).state_dict()
    assert all(not torch.equal(alone[key], value) for key, value in start.items())  # all states move
    for theirs in world:
        assert theirs[name].keys() == alone.keys()
        for key, value in alone.items():
            torch.testing.assert_close(theirs[name][key], value, rtol=1e-9, atol=1e-11)
