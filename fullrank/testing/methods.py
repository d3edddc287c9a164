"""The contract of a method, for anyone's: `check_method` builds it, trains it for some steps and says what breaks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor, nn

from fullrank.methods import Method
from fullrank.nn import Encoder, mlp
from fullrank.testing.laws import chosen, judged, raise_all
from fullrank.testing.loss_values import fail

Build = Callable[[Encoder], Method]
_IMAGES, _CLUSTERS, _STEPS = 24, 20, 200
_COLLAPSED = 0.5  # mean cosine of the clusters' embeddings; untrained 0.6, those of our recipes end below 0.2


def check_method(
    build: Build, *, law: str | None = None, breaks: Mapping[str, str] | None = None, name: str | None = None
) -> None:
    """Hold a method to the contract: what it hands on, what it trains, what it keeps, and that it does not collapse.

    Args:
        build: From a fresh encoder to the method, such as `SimCLR().build` of a recipe.
        law: The one to check, of `laws_of_methods`; all if None.
        breaks: The laws that it breaks, each with the reason; these are tested to be broken.
        name: What to call it in sentences.

    Raises:
        AssertionError: It breaks a law, or holds one that it is said to break: the law, the input and the numbers.
        UserError: There is no such law.

    Blind to: what a perceptron on images of 4 x 4 pixels in some hundred steps does not show; and to several processes.

    >>> from fullrank.recipes import load
    >>> check_method(load("simsiam")().build, law="outputs")
    >>> check_method(load("invariance")().build, law="collapse", name="invariance")
    Traceback (most recent call last):
    AssertionError: invariance breaks the law "collapse" (its embeddings do not end at one point): after 200 steps on
    noisy views of 20 clusters, ...
    """
    called = name or str(getattr(build, "__qualname__", type(build).__name__))
    laws = chosen(called, law, breaks or {}, laws_of_methods)
    raise_all([judged(called, each, _LAWS[each][0], partial(_LAWS[each][1], build), breaks or {}) for each in laws])


def _made(build: Build) -> Method:
    """The method on a small perceptron, the same at each call."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), *mlp(16, (64, 64)))
        return build(Encoder(model, width=64, name="mlp", channels=1, image_size=4))


def _views(count: int, images: int = _IMAGES, seed: int = 0) -> list[Tensor]:
    """Noisy views of images of 4 x 4 pixels, each image one of some clusters."""
    generator = torch.Generator().manual_seed(seed)
    centers = torch.randn(_CLUSTERS, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    x = centers[torch.randint(_CLUSTERS, (images,), generator=generator)]
    return [x + 0.5 * torch.randn(x.shape, generator=generator) for _ in range(count)]


def _train(method: Method, steps: range, *, total: int, images: int = _IMAGES) -> list[float]:
    """The losses of some steps, each a function of its number; dropout and the like draw from it too."""
    optimizer = torch.optim.SGD([each for each in method.parameters() if each.requires_grad], lr=0.05)
    losses = []
    with torch.random.fork_rng(devices=[]):
        for step in steps:
            torch.manual_seed(step)
            if step > 0:
                method.update(step / total)
            loss = method.loss(method(_views(2, images, seed=step)))["loss"]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
    return losses


def _outputs(build: Build) -> None:
    for count in (2, 3):
        outputs = _made(build)(_views(count))
        for wanted in ("representation", "embedding"):
            if wanted not in outputs:
                fail(f"of {count} views it hands on {', '.join(outputs) or 'nothing'}, and no {wanted}")
        for name, z in outputs.items():
            if z.ndim != 3 or z.shape[1] != _IMAGES:
                fail(f"of {count} views of {_IMAGES} images, {name} has the shape {tuple(z.shape)}")
            if not bool(z.isfinite().all()):
                fail(f"of {count} views of noisy clusters, {name} is not finite")


def _terms(build: Build) -> None:
    method = _made(build)
    terms = method.loss(method(_views(2)))
    if "loss" not in terms:
        fail(f'the terms are {", ".join(terms) or "none"}, without "loss"')
    for name, term in terms.items():
        if term.ndim or not bool(term.isfinite()):
            fail(f"on {_IMAGES} noisy images, {name} is {term.detach().tolist()}")


def _gradients(build: Build) -> None:
    method = _made(build)
    method.loss(method(_views(2)))["loss"].backward()
    for name, parameter in method.named_parameters():
        if parameter.requires_grad and parameter.grad is None:
            fail(f"{name}, {tuple(parameter.shape)}, is to be trained and gets no gradient")
        if not parameter.requires_grad and parameter.grad is not None:
            fail(f"{name}, {tuple(parameter.shape)}, is not to be trained and gets a gradient")
        if parameter.grad is not None and not bool(parameter.grad.isfinite().all()):
            fail(f"the gradient of {name} is not finite")


def _state(build: Build) -> None:
    whole, first, second = _made(build), _made(build), _made(build)
    expected = _train(whole, range(6), total=6)
    _train(first, range(3), total=6)
    second.load_state_dict(first.state_dict())
    found = _train(second, range(3, 6), total=6)
    if found != expected[3:]:
        step = next(at for at in range(3) if found[at] != expected[3 + at])
        losses = f"{found[step]:.8g}, and {expected[3 + step]:.8g} in one go"
        fail(f"resumed after 3 steps, step {step + 4} has the loss {losses}")
    for name, value in whole.state_dict().items():
        if not torch.equal(value, second.state_dict()[name]):
            fail(f"resumed after 3 of 6 steps, {name} ends other than in one go")


def _order(build: Build) -> None:
    views, order = _views(2), torch.randperm(_IMAGES, generator=torch.Generator().manual_seed(0))
    there, here = (_made(build) for _ in range(2))
    found = float(there.loss(there([view[order] for view in views]))["loss"].detach())
    expected = float(here.loss(here(views))["loss"].detach())
    if not abs(found - expected) <= 1e-4 * max(abs(expected), 1.0):
        fail(f"{_IMAGES} images cost {expected:.8g}, in another order {found:.8g}")


def _collapse(build: Build) -> None:
    method = _made(build)
    before = _cosine(method)
    _train(method, range(_STEPS), total=_STEPS, images=128)
    after = _cosine(method)
    if not after < _COLLAPSED:
        fail(
            f"after {_STEPS} steps on noisy views of {_CLUSTERS} clusters, the mean cosine of their embeddings is "
            f"{after:.3f}, at the start {before:.3f}"
        )


def _cosine(method: Method) -> float:
    """Mean cosine of the embeddings of different clusters, in eval mode."""
    centers = torch.randn(_CLUSTERS, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    method.eval()
    with torch.no_grad():
        z = nn.functional.normalize(method([centers, centers])["embedding"][0], dim=1)
    method.train()
    return float((z.sum(0).square().sum() - len(z)) / (len(z) * (len(z) - 1)))


_LAWS: dict[str, tuple[str, Callable[[Build], None]]] = {
    "outputs": ("it hands on a representation and an embedding of every view that is trained", _outputs),
    "terms": ("its loss is finite, and so are the terms", _terms),
    "gradients": ("what is to be trained gets a gradient, and nothing else does", _gradients),
    "state": ("a training that is resumed from its state goes on bit for bit", _state),
    "order of samples": ("the order of samples does not matter", _order),
    "collapse": ("its embeddings do not end at one point", _collapse),
}
laws_of_methods = tuple(_LAWS)
"""The laws of a method, for `pytest.mark.parametrize`."""
