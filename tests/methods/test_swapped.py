"""SwAV's method: when its prototypes rest and when its queue begins."""

from __future__ import annotations

import torch

from fullrank import recipes
from fullrank.methods import SwappedAssignment
from fullrank.nn import encoder


def swav(**flags: float) -> SwappedAssignment:
    torch.manual_seed(0)
    recipe = recipes.load("swav")(projector=(16, 8), prototypes=6, **flags)  # type: ignore[call-arg, arg-type]
    method = recipe.build(encoder("tiny", image_size=16, channels=1))
    assert isinstance(method, SwappedAssignment)
    return method


def test_the_queue_is_filled_from_its_epoch_on() -> None:
    method = swav(queue=8, queue_from=2.0)
    views = list(torch.randn(2, 4, 1, 16, 16, generator=torch.Generator().manual_seed(1)))
    queued = []
    for passes in (0.0, 1.5, 2.0, 2.5):
        method.enter(passes)
        method.loss(method(views))
        queued.append(int(method.objective.queued))
    assert queued == [0, 0, 4, 8]


def test_the_prototypes_rest_before_the_end_of_their_epochs_and_not_after() -> None:
    method = swav(freeze_prototypes=1.0)
    held = []
    for passes in (0.0, 0.9, 1.0):
        method.enter(passes)
        held.append([each is method.objective.prototypes for each in method.held()])
    assert held == [[True], [True], []]
    assert swav().held() == []
