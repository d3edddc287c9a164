"""What the layers of any model make of the same samples: found by name, seen by hooks, in eval mode."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from fullrank.errors import UserError, suggest
from fullrank.nn import evaluating

Forward = Callable[[nn.Module, Any], object]  # runs a model on a batch; by default model(batch), model(**batch)
_BATCH = 256
_WRAPPERS = ("module", "_orig_mod", "_forward_module", "_fsdp_wrapped_module")  # DDP, compile, Fabric, FSDP


def probe_batches(probe: Tensor | Mapping[str, Tensor] | Iterable[Any], rows: int) -> list[Any]:
    """Batches of at least `rows` samples, or all there are, of a tensor (N, ...), a mapping of tensors, or a loader.

    Of the tuples or lists that a loader yields, the first part is the batch; if that holds several views of the
    samples, a model is given the first one and a `forward` all of them.

    >>> loader = [(torch.zeros(4, 2), torch.tensor([0, 1, 0, 1]))] * 3
    >>> [len(batch) for batch in probe_batches(loader, rows=5)]
    [4, 4]
    """
    source: Iterable[Any] = _split(probe) if isinstance(probe, Tensor | Mapping) else probe
    batches: list[Any] = []
    found = 0
    for part in source:
        batch = part[0] if isinstance(part, tuple | list) else part
        found += len(_first_tensor(batch))
        batches.append(batch)
        if found >= rows:
            break
    if found == 0:
        raise UserError("The probe holds no sample: pass a tensor (N, ...) or a loader that yields batches.")
    return batches


def _split(probe: Tensor | Mapping[str, Tensor]) -> Sequence[Any]:
    if isinstance(probe, Tensor):
        return [probe[start : start + _BATCH] for start in range(0, len(probe), _BATCH)]
    sizes = {len(value) if isinstance(value, Tensor) and value.ndim else 0 for value in probe.values()}
    if len(sizes) != 1 or sizes == {0}:  # not all of it is of samples
        return [probe]
    parts = zip(*(value.split(_BATCH) for value in probe.values()), strict=True)
    return [dict(zip(probe, one, strict=True)) for one in parts]


def embed(
    model: nn.Module, layers: Sequence[str], batches: Iterable[Any], forward: Forward | None = None
) -> dict[str, Tensor]:
    """Name of each layer -> its outputs (N, D), float32 on the CPU, in eval mode and without a gradient.

    Names are those of `model.named_modules()`. Feature maps (N, C, H, W) are averaged over positions, sequences
    (N, T, D) over the tokens that the batch's "attention_mask" keeps; of a layer that returns several things, the
    "last_hidden_state" or the first tensor is taken. A layer that a forward pass calls several times, as for two
    views, counts by its first call. What wrappers add to the names (DistributedDataParallel's "module.",
    torch.compile's "_orig_mod.") may be left out. Afterwards every part of the model is in the mode it was in.
    Raises UserError for an unknown name, for a layer that the forward pass does not reach and, without a `forward`,
    for one whose rows are no multiple or part of the samples of the batch.

    >>> model = nn.Sequential(nn.Linear(3, 2), nn.Dropout())
    >>> embed(model, ["0", "1"], [torch.zeros(4, 3)])["1"].shape, model.training
    (torch.Size([4, 2]), True)
    >>> embed(nn.ModuleDict({"projector": nn.Linear(3, 2)}), ["projektor"], [])
    Traceback (most recent call last):
    fullrank.errors.UserError: The model has no layer 'projektor': did you mean projector?
    """
    outputs: dict[str, list[Tensor]] = {name: [] for name in layers}
    found = _named(model, layers)
    mask: Tensor | None = None
    seen = 0  # batches before this one

    def keep(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def first(module: nn.Module, inputs: Any, output: Any) -> None:
            if len(outputs[name]) == seen:
                outputs[name].append(_rows(name, output, mask))

        return first

    hooks = [module.register_forward_hook(keep(name)) for name, module in found.items()]
    like = next(chain(model.parameters(), model.buffers()), torch.zeros(0))
    try:
        # Compiled code may leave out hooks that came after it.
        with torch.no_grad(), evaluating(model), torch.compiler.set_stance("force_eager"):
            for seen, batch in enumerate(batches):
                batch = _onto(batch, like)
                mask = batch.get("attention_mask") if isinstance(batch, Mapping) else None
                _run(model, batch, forward)
                _require_reached(outputs, seen, forward)
                if forward is None:
                    _require_rows(outputs, _sizes(batch))
    finally:
        for hook in hooks:
            hook.remove()
    if not all(outputs.values()):
        _require_reached(outputs, 0, forward)
    return {name: torch.cat(parts) for name, parts in outputs.items()}


def _require_reached(outputs: Mapping[str, list[Tensor]], batch: int, forward: Forward | None) -> None:
    unseen = [name for name, parts in outputs.items() if len(parts) <= batch]
    if unseen:
        passed = "model(batch)" if forward is None else "forward(model, batch)"
        raise UserError(f"{passed} does not reach the layer {unseen[0]!r}: pass forward=lambda model, batch: ...")


def _require_rows(outputs: Mapping[str, Sequence[Tensor]], sizes: set[int]) -> None:
    for name, parts in outputs.items():
        rows = len(parts[-1])
        # views that are joined and tokens that are flattened give several rows for a sample, a replica gives a part
        if sizes and all(size == 1 < rows or (rows % size and size % rows) for size in sizes):
            raise UserError(
                f"The layer {name!r} gives {rows} rows for a batch of {' or '.join(map(str, sorted(sizes)))} "
                "samples: pass a tensor (N, ...) or a DataLoader as the probe, not single samples, or forward=lambda "
                "model, batch: ... if a layer with other rows is meant."
            )


def _sizes(batch: Any) -> set[int]:
    """How many samples a batch may hold: the lengths of its tensors, of several views those of the first."""
    if isinstance(batch, Mapping):
        parts = batch.values()
        return set[int]().union(*({len(one)} if isinstance(one, tuple | list) else _sizes(one) for one in parts))
    if isinstance(batch, tuple | list):
        return _sizes(batch[0])
    return {len(batch)} if isinstance(batch, Tensor) and batch.ndim else set()


def _named(model: nn.Module, layers: Sequence[str]) -> dict[str, nn.Module]:
    own = {name: module for name, module in model.named_modules() if name}
    short = {".".join(part for part in name.split(".") if part not in _WRAPPERS): own[name] for name in own}
    modules = {**short, **own}
    modules.pop("", None)  # what the wrappers wrap
    for name in layers:
        if name not in modules:
            top = ", ".join(sorted({key.split(".")[0] for key in modules})) or "none"
            hint = suggest(name, modules, cutoff=0.5, otherwise=f"pass names of model.named_modules(), as in {top}.")
            raise UserError(f"The model has no layer {name!r}: {hint}")
    return {name: modules[name] for name in layers}


def _run(model: nn.Module, batch: Any, forward: Forward | None) -> None:
    if forward is not None:
        forward(model, batch)
        return
    while isinstance(batch, tuple | list):  # of several views of the samples, the first
        batch = batch[0]
    try:
        model(**batch) if isinstance(batch, Mapping) else model(batch)
    except (NotImplementedError, TypeError) as error:  # it has no forward, or one of other arguments
        remedy = "pass forward=lambda model, batch: ..., which calls it as your training does"
        raise UserError(f"The model cannot be called with a batch of the probe ({error}): {remedy}.") from error


def _onto(batch: Any, like: Tensor) -> Any:
    """The batch on the device of the model, floating point in its precision."""
    if isinstance(batch, Mapping):
        return {key: _onto(value, like) for key, value in batch.items()}
    if isinstance(batch, tuple | list):
        return [_onto(value, like) for value in batch]
    if not isinstance(batch, Tensor):
        return batch
    both_float = batch.is_floating_point() and like.is_floating_point()
    return batch.to(like.device, like.dtype if both_float else batch.dtype)


def _rows(name: str, output: Any, mask: Tensor | None) -> Tensor:
    z = _first_tensor(output).float()  # a sum over many tokens is beyond float16
    if z.ndim == 3:  # (N, T, D)
        kept = mask if mask is not None and mask.shape == z.shape[:2] else z.new_ones(z.shape[:2])
        weight = kept.to(z.dtype)[..., None]
        z = (z * weight).sum(1) / weight.sum(1).clamp(min=1)
    elif z.ndim == 4:  # (N, C, H, W)
        z = z.mean((2, 3))
    if z.ndim != 2:
        raise UserError(
            f"The layer {name!r} returns the shape {tuple(z.shape)}: watch one that returns (samples, ...)."
        )
    return z.cpu()


def _first_tensor(output: Any) -> Tensor:
    if isinstance(output, Tensor):
        return output
    if isinstance(output, Mapping):
        return _first_tensor(output["last_hidden_state"] if "last_hidden_state" in output else [*output.values()])
    if isinstance(output, tuple | list):
        for part in output:
            if isinstance(part, Tensor | Mapping):
                return _first_tensor(part)
    raise UserError(f"No tensor was found in a {type(output).__name__}: watch a layer and pass a probe of tensors.")
