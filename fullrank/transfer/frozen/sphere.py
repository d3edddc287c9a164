"""How the whole test set lies on the sphere: W2, uniformity, the alignment of two views, and spectra."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fullrank import recipes
from fullrank.data import Views, preset
from fullrank.engine.checkpoint import last_checkpoint
from fullrank.engine.sealed import read
from fullrank.errors import UserError
from fullrank.evaluation.model import Model
from fullrank.metrics import alignment, uniformity, w2_uniformity
from fullrank.runs import read_json
from fullrank.runs.reading import is_run
from fullrank.stats import normalize, spectrum
from fullrank.transfer.protocols import Sphere
from fullrank.transfer.task import Task

_SEED = 0  # of the views


@dataclass(frozen=True, eq=False)
class Lies:
    """By space, "representation" and "embedding" where it is known: its numbers, and its singular values (D,)."""

    numbers: dict[str, dict[str, float | None]]
    spectra: dict[str, Tensor]


def lies(
    task: Task, test: Tensor, project: nn.Module | None, how: Sphere | None, *, device: torch.device, workers: int
) -> Lies:
    """Measure test features (N, F), and their embedding where there is a projector, with rows of length 1.

    The singular values are those of the covariance of rows of length 1, divisor N - 1, as DirectCLR's code has them.
    """
    spaces: dict[str, Callable[[Tensor], Tensor]] = {"representation": lambda z: z}
    if project is not None:
        spaces["embedding"] = lambda z: project(z.to(device)).float().cpu()
    pairs = {} if how is None else _two_views(task, how, spaces, device, workers)
    numbers, spectra = {}, {}
    with torch.no_grad():
        for name, of in spaces.items():
            z = torch.cat([of(part) for part in test.split(4096)])
            near = pairs.get(name)
            numbers[name] = {
                "w2_uniformity": w2_uniformity(z),
                "uniformity": uniformity(z),
                "alignment": None if near is None else alignment(*near),
            }
            spectra[name] = spectrum(normalize(z)) * (len(z) / max(len(z) - 1, 1))
    return Lies(numbers, spectra)


@torch.no_grad()
def _two_views(
    task: Task, how: Sphere, spaces: dict[str, Callable[[Tensor], Tensor]], device: torch.device, workers: int
) -> dict[str, tuple[Tensor, Tensor]]:
    """Two augmented views of every test image in each space."""
    of = task.model.encoder
    augmentations = preset(how.views, size=of.image_size, channels=of.channels)
    views = Views(augmentations, mean=task.model.mean, std=task.model.std)
    generator = torch.Generator().manual_seed(_SEED)
    found: dict[str, list[tuple[Tensor, Tensor]]] = {name: [] for name in spaces}
    for batch in task.plain(task.test, workers):
        parameters = views.draw(len(batch), batch.shape[-2], batch.shape[-1], generator)
        first, second = (of(view).float().cpu() for view in views.apply(batch.to(device), parameters))
        for name, space in spaces.items():
            found[name].append((space(first), space(second)))
    return {
        name: (torch.cat([one for one, _ in pairs]), torch.cat([two for _, two in pairs]))
        for name, pairs in found.items()
    }


def projector_of(source: str, model: Model) -> tuple[nn.Module | None, str]:
    """The projector of a run from its last checkpoint, in eval mode, or None and why there is none."""
    run = Path(source)
    if not is_run(run):
        return None, "no embedding: only a run keeps its projector"
    config: dict[str, Any] = read_json(run / "config.json")
    name = str(config.get("recipe", ""))
    if name.endswith(".py"):
        return None, "no embedding: the recipe is a file, which is not run to score an encoder"
    if not last_checkpoint(run).is_file():
        return None, "no embedding: the run has no checkpoint, where its projector is"
    recipe = recipes.from_settings(recipes.load(name), config["settings"])
    state = read(last_checkpoint(run))["state_dict"]
    with torch.random.fork_rng():
        projector = recipe.build(copy.deepcopy(model.encoder)).projector
    head = "method.projector."
    try:
        projector.load_state_dict({key.removeprefix(head): state[key] for key in state if key.startswith(head)})
    except RuntimeError as error:
        raise UserError(f"{last_checkpoint(run)} does not fit the recipe of its run: put config.json back.") from error
    return projector.eval(), ""
