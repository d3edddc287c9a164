"""Every loss without a state as a module: the function's value, settings, signature and docstring."""

from __future__ import annotations

import copy
import inspect
import pickle

import pytest
import torch
from torch import Tensor

import fullrank.losses
from fullrank.errors import UserError
from fullrank.losses import BYOL, LOSSES, PAIR_LOSSES, INTLWithTeacher, NTXent, SIGReg, SpectralTransformation, VICReg
from fullrank.losses.module import LossModule, PairLoss
from fullrank.testing.clouds import noise

PUBLIC = [vars(fullrank.losses)[name] for name in fullrank.losses.__all__]
MODULES = [item for item in PUBLIC if isinstance(item, type) and issubclass(item, LossModule)]


def embeddings(module: type[LossModule]) -> tuple[Tensor, ...]:
    return tuple(noise(4, 12, 4).split(2)) if issubclass(module, PairLoss) else (noise(2, 12, 4),)


def other(value: object) -> object:
    """A value of a setting that is not the default and works."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, float | int):
        return value + 1 if isinstance(value, int) else value / 2 + 0.1
    return {"channel": "batch", "batch": "channel", "cholesky": "zca"}.get(str(value))


def test_every_loss_without_a_state_has_one_module() -> None:
    functions = [loss for loss in (*LOSSES, *PAIR_LOSSES) if not isinstance(loss, type)]
    assert sorted(module.function.__name__ for module in MODULES) == sorted(loss.__name__ for loss in functions)
    assert {module.function for module in MODULES} == set(functions)


def test_a_module_gives_the_terms_of_its_function() -> None:
    for module in MODULES:
        z = embeddings(module)
        expected = module.function(*z)
        found = module()(*z)
        assert list(found) == list(expected), module
        assert all(torch.equal(found[name], expected[name]) for name in expected), module


def test_every_setting_reaches_the_function() -> None:
    for module in MODULES:
        z = embeddings(module)
        for name, default in module.defaults.items():
            changed = {name: other(default)}
            if changed[name] is not None:
                assert torch.equal(module(**changed)(*z)["loss"], module.function(*z, **changed)["loss"]), (
                    module,
                    name,
                )
                assert getattr(module(**changed), name) == changed[name]


def test_a_setting_may_change_between_steps() -> None:
    loss, z = NTXent(), noise(2, 12, 4)
    loss.temperature = 0.1
    assert torch.equal(loss(z)["loss"], NTXent.function(z, temperature=0.1)["loss"])
    assert not torch.equal(loss(z)["loss"], NTXent()(z)["loss"])


def test_signature_and_docstring_are_those_of_the_function() -> None:
    for module in MODULES:
        parameters = inspect.signature(module.function).parameters.values()
        settings = [parameter for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]
        assert list(inspect.signature(module).parameters.values()) == settings
        assert "lind to" in (module.__doc__ or "")
        assert (module.function.__doc__ or "") in (module.__doc__ or "")
    assert inspect.signature(VICReg()) == inspect.signature(torch.nn.Identity())  # a call is not the constructor's
    assert list(inspect.signature(VICReg().forward).parameters) == ["z"]
    assert list(inspect.signature(BYOL().forward).parameters) == ["prediction", "target"]


def test_the_repr_shows_the_settings_in_use() -> None:
    assert repr(INTLWithTeacher(beta=0.1)) == "INTLWithTeacher(axis='channel', iterations=4, beta=0.1)"
    assert repr(SpectralTransformation()) == "SpectralTransformation(g=rsqrt, axis='batch', components=False)"


def test_a_wrong_setting_is_refused_when_the_module_is_made() -> None:
    for module in MODULES:
        with pytest.raises(UserError, match=f"{module.__name__} has no setting wrong: "):
            module(wrong=1.0)
    with pytest.raises(UserError, match="VICReg has no setting varianec: did you mean variance"):
        VICReg(varianec=1.0)
    with pytest.raises(UserError, match=r"NTXent got temperature=0: pass a number above 0\."):
        NTXent(temperature=0)


def test_a_copy_has_the_settings_and_the_state() -> None:
    for module in MODULES:
        z = embeddings(module)
        made = module()
        made(*z)  # one step further, if it counts
        for name, copied in (("pickle", pickle.loads(pickle.dumps(made))), ("deepcopy", copy.deepcopy(made))):
            assert repr(copied) == repr(made), (module, name)
            assert torch.equal(copied(*z)["loss"], copy.deepcopy(made)(*z)["loss"]), (module, name)


def test_only_what_is_drawn_is_in_the_state() -> None:
    drawing = [module for module in MODULES if "seed" in module.defaults]
    assert [module for module in MODULES if module().state_dict()] == drawing
    assert SIGReg in drawing
    assert int(SIGReg(seed=7).step) == 7
