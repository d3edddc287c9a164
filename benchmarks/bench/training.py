"""One recipe with one seed: as many steps as its share of processor time allows, then everything that is measured."""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from fullrank import recipes
from fullrank.data import Views
from fullrank.diagnosis.training import profile_of
from fullrank.engine import RunOptions
from fullrank.methods import Method
from fullrank.nn import evaluating
from fullrank.training.fit import fit, prepare
from fullrank.training.outputs import made_run
from fullrank.training.step_plan import Job

from .images import AUGMENTED, VIEWS, Images, accuracies, features, numbers
from .peers import PEERS

_TRIED = 4  # steps that are timed, of which the fastest counts: a busy machine only makes them slower
_QUIET = Console(quiet=True)


def cost(name: str, images: Images) -> dict[str, float]:
    """Processor seconds of one step of a recipe with its defaults, and the images of its batch."""
    job = _job(name, images, seed=0, steps=1000, out=None)
    optimizer = torch.optim.AdamW(job.method.parameters(), lr=1e-5)
    batch = images.train.images[: job.plan.batch_size]
    best = float("inf")
    for step in range(_TRIED):
        begun = time.process_time()
        parameters = job.views.draw(len(batch), batch.shape[2], batch.shape[3], torch.Generator().manual_seed(step))
        terms = job.method.train().loss(job.method(job.views.apply(batch, parameters)))
        optimizer.zero_grad()
        terms["loss"].backward()
        optimizer.step()
        best = min(best, time.process_time() - begun)
    return {"seconds_of_a_step": best, "batch_size": job.plan.batch_size}


def cost_beside_ours(name: str, images: Images) -> dict[str, float]:
    """The cost of a peer's step, and that of our recipe of the same method, timed in turn on the machine of now."""
    timed = [(cost(name, images), cost(_recipe(name), images)) for _ in range(3)]
    ours = min(of_ours["seconds_of_a_step"] for _, of_ours in timed)
    return min((of for of, _ in timed), key=lambda of: of["seconds_of_a_step"]) | {"seconds_of_our_step": ours}


def trained(name: str, images: Images, *, seed: int, steps: int, **settings: Any) -> dict[str, Any]:
    """Train a recipe with its defaults but for these settings, and measure its backbone and its embedding."""
    with tempfile.TemporaryDirectory() as folder:
        job = _job(name, images, seed=seed, steps=steps, out=Path(folder) / "run", **settings)
        with made_run(_recipe(name), job, None) as run:
            begun = time.process_time()
            fit(run, job, _QUIET)
            seconds = time.process_time() - begun
    profile = profile_of(_recipe(name)).name
    with evaluating(job.method):
        found = measured(job.method, job.views, images, seed=seed, profile=profile)
    about = {"batch_size": job.plan.batch_size, "lr": job.plan.lr, "steps": steps}
    return {**about, "cpu_seconds": round(seconds, 1), "profile": profile, **found}


def measured(method: Method, views: Views, images: Images, *, seed: int, profile: str) -> dict[str, Any]:
    """Accuracies of the backbone, and the numbers of backbone and embedding."""

    def encode(part: Tensor) -> Tensor:
        z: Tensor = method.encoder(views.plain(part))
        return z

    z = features(encode, images.looked_at)
    backbone = _views(method, views, images.looked_at[:AUGMENTED])
    with torch.inference_mode():
        embedding, projected = method.projector(z).float(), [method.projector(view) for view in backbone]
    return {
        **accuracies(encode, images, seed),
        "backbone": numbers(z, torch.stack(backbone), profile),
        "embedding": numbers(embedding.clone(), torch.stack(projected).float(), profile),
    }


def _views(method: Method, views: Views, some: Tensor) -> list[Tensor]:
    """Features of augmented views of some images, the first view of the recipe, drawn anew each time."""
    found = []
    for number in range(VIEWS):
        parameters = views.draw(len(some), some.shape[2], some.shape[3], torch.Generator().manual_seed(number))
        with torch.inference_mode():
            found.append(method.encoder(views.apply(some, parameters)[0]).float())
    return found


def _job(name: str, images: Images, *, seed: int, steps: int, out: Path | None, **settings: Any) -> Job:
    recipe = replace(recipes.load(_recipe(name))(), backbone="tiny", steps=steps, seed=seed, **settings)
    options = RunOptions(out=out, devices=1, workers=0, monitor_every=10**6, checkpoint_every=10**6, probe=64)
    job = prepare(recipe, options, _QUIET, data=(images.train.images, images.train.labels))
    if name not in PEERS:
        return job
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return replace(job, method=PEERS[name].make(job.method.encoder, job.recipe))


def _recipe(name: str) -> str:
    return PEERS[name].recipe if name in PEERS else name
