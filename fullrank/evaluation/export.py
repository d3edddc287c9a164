"""Write an encoder for another library, read it again in a fresh process, and only then call it done."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from fullrank.errors import UserError, suggest
from fullrank.evaluation.model import Model
from fullrank.nn.exports import FORMATS, About, open_export
from fullrank.report.runs.card import model_card
from fullrank.runs import full_disk_is_an_error, read_as_run, read_json, refuse_used
from fullrank.runs.kind import made_by
from fullrank.runs.reading import is_run

_TOLERANCE = 1e-4  # of the largest feature: other libraries add in another order
_REFERENCE = "reference.safetensors"


def export_model(model: Model, to: str, out: Path) -> float:
    """Write an encoder to a new folder in a format; how far features of the folder are from ours, as a share.

    The share is of the largest feature, over a batch of three random images and one of one, in a fresh process. The
    folder also has README.md, a model card. Raises UserError, and no folder, where the format cannot hold the network,
    where a package is missing, or where the features are not the same.
    """
    if to not in FORMATS:
        raise UserError(
            f"There is no export to {to}: {suggest(to, FORMATS, otherwise='pass ' + ', '.join(FORMATS) + '.')}"
        )
    way = FORMATS[to]
    missing = [package for package in way.needs if importlib.util.find_spec(package) is None]
    if missing:
        extra = "hf" if to == "huggingface" else to
        raise UserError(f"An export to {to} needs {', '.join(missing)}: pip install 'fullrank[{extra}]'.")
    refuse_used(out)
    beside = out.with_name(f".{out.name}.{os.getpid()}.part")
    model.encoder.cpu()
    with full_disk_is_an_error(out):
        try:
            beside.mkdir(parents=True)
            way.write(model, beside)
            about = About.of(model, to)
            about.write(beside)
            share = _read_again(model, beside)
            (beside / "README.md").write_text(_card(model, about, way.use, out), encoding="utf-8")
            if out.exists():
                out.rmdir()
            os.replace(beside, out)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    return share


def _read_again(model: Model, folder: Path) -> float:
    """How far off the features of a folder are, in a fresh process, as a share of the largest; too far is an error."""
    of = model.encoder
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(
        0, 256, (4, of.channels, of.image_size, of.image_size), dtype=torch.uint8, generator=generator
    )
    with torch.inference_mode():
        features = model(images).clone()
    save_file({"images": images, "features": features}, folder / _REFERENCE)
    command = [sys.executable, "-m", "fullrank.evaluation.export", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=_environment())
    (folder / _REFERENCE).unlink()
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
        raise UserError(f"The export could not be read again in a fresh process ({last}): nothing was kept.")
    share = float(json.loads(done.stdout.strip().splitlines()[-1]))
    if not share <= _TOLERANCE:
        raise UserError(f"The features of the export are off by {share:.1e} of the largest: nothing was kept.")
    return share


def _environment() -> dict[str, str]:
    """The environment, in which a fresh process finds what this one imports, and downloads nothing."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "HF_HUB_OFFLINE": "1"}


def _card(model: Model, about: About, use: str, out: Path) -> str:
    run, config = _training_of(Path(model.place))
    result: dict[str, Any] = read_json(run / "result.json") if config and (run / "result.json").is_file() else {}
    shown = {
        "FOLDER": out.name,
        "NAME": about.name.removeprefix("torchvision/").partition(".")[0],
        "CHANNELS": str(about.channels),
        "SIZE": str(about.image_size),
        "MEAN255": ", ".join(f"{255 * value:.3f}" for value in about.mean),
        "STD255": ", ".join(f"{255 * value:.3f}" for value in about.std),
    }
    for word, by in shown.items():
        use = use.replace(word, by)
    with read_as_run(run):
        return model_card(about=vars(about), config=config, result=result, use=use)


def _training_of(place: Path) -> tuple[Path, dict[str, Any]]:
    """The run whose encoder is at a place, and its config.json; empty where no training of FullRank made it."""
    run = place.parent if place.name == "encoder.safetensors" else place
    config = read_json(run / "config.json") if place.is_absolute() and is_run(run) else {}
    return run, config if made_by(config) == "train" else {}


def _check(folder: Path) -> float:
    """Read a folder, and compare its features with those of the reference in it."""
    reference = load_file(folder / _REFERENCE)
    images, expected = reference["images"], reference["features"]
    model = open_export(folder, trust=True)
    with torch.inference_mode():
        found = torch.cat([model(images[:3]), model(images[3:])])
    return float((found - expected).abs().max() / expected.abs().max().clamp_min(1e-30))


if __name__ == "__main__":
    print(json.dumps(_check(Path(sys.argv[1]))))
