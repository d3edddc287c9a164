"""Layers are found by name and seen as they are in eval mode, and the model does not notice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from fullrank.errors import UserError
from fullrank.watch.layer_monitor import ProbeMonitor
from fullrank.watch.layers import embed, probe_batches


class Net(nn.Module):
    """A backbone of feature maps, pooling, and a projector with batch norm and dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5))
        self.projector = nn.Sequential(nn.Linear(5, 4), nn.Dropout(0.5), nn.BatchNorm1d(4))

    def forward(self, x: Tensor) -> Tensor:
        projected: Tensor = self.projector(self.backbone(x).mean((2, 3)))
        return projected


class Encoder(nn.Module):
    """Tokens to a mapping, as language models return it."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(10, 6)
        self.block = Block()

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Tensor]:
        out: dict[str, Tensor] = self.block(self.table(input_ids))
        return out


class Block(nn.Module):
    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"pooled": x[:, 0], "last_hidden_state": x}


IMAGES = torch.randn(10, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def test_a_sum_over_many_tokens_does_not_overflow_in_half_precision() -> None:
    net = torch.nn.Sequential(torch.nn.Identity())
    z = embed(net, ["0"], [torch.full((4, 512, 8), 200.0, dtype=torch.float16)])["0"]
    assert torch.equal(z, torch.full((4, 8), 200.0))


def test_layers_are_seen_in_eval_mode_and_pooled() -> None:
    net = Net()
    outputs = embed(net, ["backbone", "projector", "projector.0"], IMAGES.split(4))
    net.eval()
    features = net.backbone(IMAGES).mean((2, 3))
    torch.testing.assert_close(outputs["backbone"], features)
    torch.testing.assert_close(outputs["projector.0"], net.projector[0](features))
    torch.testing.assert_close(outputs["projector"], net(IMAGES))
    assert not any(z.requires_grad for z in outputs.values())


def test_the_model_does_not_notice() -> None:
    net = Net()
    net.backbone[1].eval()  # a frozen batch norm stays frozen, the rest goes on training
    before = {name: value.clone() for name, value in net.state_dict().items()}
    modes, state = [part.training for part in net.modules()], torch.random.get_rng_state()
    embed(net, ["projector"], [IMAGES])
    assert [part.training for part in net.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not any(part._forward_hooks for part in net.modules())
    assert all(parameter.grad is None for parameter in net.parameters())


def test_the_model_is_as_it_was_after_a_failing_forward_pass() -> None:
    net = Net()
    with pytest.raises(RuntimeError):
        embed(net, ["projector"], [torch.zeros(2, 7, 8, 8)])
    assert net.training
    assert not any(part._forward_hooks for part in net.modules())


def test_padding_does_not_count() -> None:
    net = Encoder()
    ids = torch.tensor([[1, 2, 0, 0], [3, 4, 5, 6]])
    mask = torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1]])
    z = embed(net, ["block"], [{"input_ids": ids, "attention_mask": mask}])["block"]
    torch.testing.assert_close(z[0], net.table.weight[[1, 2]].mean(0).detach())
    torch.testing.assert_close(z[1], net.table.weight[3:7].mean(0).detach())


def test_the_batch_goes_to_the_precision_of_the_model() -> None:
    z = embed(Net().bfloat16(), ["projector"], [IMAGES])["projector"]
    assert z.dtype == torch.float32
    assert embed(Net().double(), ["projector"], [IMAGES])["projector"].dtype == torch.float32


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("projecter", r"no layer 'projecter': did you mean projector\?"),
        ("backbone.7", r"did you mean backbone\.[01]\?"),
        ("xyz", r"pass names of model\.named_modules\(\), as in backbone, projector\."),
        ("", "no layer ''"),
    ],
)
def test_an_unknown_layer_is_told_with_a_suggestion(name: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        embed(Net(), [name], [IMAGES])


def test_a_layer_that_is_not_reached_is_told_and_can_be_reached() -> None:
    net = Net()

    def only_backbone(model: nn.Module, batch: Tensor) -> object:
        return net.backbone(batch)

    with pytest.raises(UserError, match="does not reach the layer 'projector': pass forward="):
        embed(net, ["projector"], [IMAGES], only_backbone)
    with pytest.raises(UserError, match=r"model\(batch\) does not reach the layer 'backbone'"):
        embed(net, ["backbone"], [])
    assert embed(net, ["backbone"], [IMAGES], only_backbone)["backbone"].shape == (10, 5)


def test_a_loader_is_read_once_and_only_as_far_as_needed() -> None:
    drawn = []

    def loader() -> Iterator[tuple[Tensor, int]]:
        for number in range(100):
            drawn.append(number)
            yield torch.randn(300, 3, 8, 8), 0

    monitor = ProbeMonitor(["backbone"], loader())
    first, second = (monitor.look(Net().eval(), step) for step in range(2))
    assert drawn == [0, 1, 2, 3]
    assert first["backbone"].row["n"] == second["backbone"].row["n"] == 1024


def test_a_tokenized_probe_is_read_in_batches_and_only_as_far_as_needed() -> None:
    """A mapping was one batch, of all sentences at once."""
    ids = torch.arange(5000)[:, None]
    parts = probe_batches({"input_ids": ids, "attention_mask": torch.ones_like(ids)}, 1024)
    assert [len(part["attention_mask"]) for part in parts] == [256] * 4
    assert torch.equal(torch.cat([part["input_ids"] for part in parts]), ids[:1024])
    one = {"input_ids": ids, "temperature": torch.tensor(0.1)}  # of which not all is of samples
    assert probe_batches(one, 1024) == [one]


def test_of_a_loader_of_several_views_the_first_is_seen_and_forward_has_all() -> None:
    net = Net().eval()
    loader = [([IMAGES, -IMAGES], torch.zeros(len(IMAGES)))] * 2
    z = embed(net, ["projector"], probe_batches(loader, 20))["projector"]
    torch.testing.assert_close(z[10:], net(IMAGES).detach())
    other = embed(net.double(), ["projector"], probe_batches(loader, 10), lambda model, views: model(views[1]))
    torch.testing.assert_close(other["projector"], net.float()(-IMAGES).detach())


@pytest.mark.parametrize("probe", [torch.zeros(0, 3), [], [(torch.zeros(0, 3), 1)]])
def test_an_empty_probe_is_refused(probe: Tensor) -> None:
    with pytest.raises(UserError, match="The probe holds no sample"):
        probe_batches(probe, 10)


@pytest.mark.parametrize("layers", ["projector", [], ["a", "a"]])
def test_layers_are_a_list_of_names(layers: list[str]) -> None:
    with pytest.raises(UserError, match="pass a list of different names"):
        ProbeMonitor(layers, IMAGES)


def test_several_processes_agree_before_they_look_and_one_stops_all() -> None:
    """Their clocks differ: without every=, all are asked at some steps, and one that is not due holds all back."""
    asked: list[tuple[bool, bool]] = []

    def agree(decision: bool, all: bool = True) -> bool:
        asked.append((decision, all))
        return not all

    monitor = ProbeMonitor(["backbone"], IMAGES)
    assert not any(monitor.due(step, agree) for step in range(1, 101))
    assert asked == [(True, True), (monitor.schedule.due(101), True)]
    assert monitor.should_stop(agree)
    assert asked[-1] == (False, False)
    assert not monitor.should_stop(None)
    assert ProbeMonitor(["backbone"], IMAGES, every=7).due(1, agree)  # steps are the same everywhere


def compile_eagerly(net: nn.Module) -> nn.Module:
    compiled = torch.compile(net, backend="eager")
    assert isinstance(compiled, nn.Module)
    return compiled


@pytest.mark.slow
def test_wrapped_models_are_found_by_the_names_of_what_they_wrap() -> None:
    net = Net().eval()
    expected = embed(net, ["projector.0"], [IMAGES])["projector.0"]
    wrapped = nn.ModuleDict({"module": net})  # as DistributedDataParallel has it
    compiled = compile_eagerly(net)

    def run(model: nn.Module, batch: Tensor) -> object:
        return net(batch)

    for model, name in [(wrapped, "projector.0"), (wrapped, "module.projector.0")]:
        torch.testing.assert_close(embed(model, [name], [IMAGES], run)[name], expected)
    for name in ("projector.0", "_orig_mod.projector.0"):
        torch.testing.assert_close(embed(compiled, [name], [IMAGES])[name], expected)
    with pytest.raises(UserError, match="did you mean projector"):
        embed(wrapped, ["projecter"], [IMAGES], run)


def test_a_layer_of_its_own_that_is_called_module_keeps_its_name() -> None:
    net = nn.Sequential()
    net.add_module("module", nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 5)))
    assert embed(net, ["module.1"], [torch.zeros(4, 3)])["module.1"].shape == (4, 5)


@pytest.mark.slow
def test_a_compiled_model_that_has_run_is_seen() -> None:
    """What was compiled without hooks would pass them by."""
    net = Net().eval()
    compiled = compile_eagerly(net)
    compiled(IMAGES)
    assert embed(compiled, ["projector.0"], [IMAGES])["projector.0"].shape == (10, 4)


class Siamese(nn.Module):
    """One encoder for both views of a step."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        one, other = self.encoder(x), self.encoder(x + 1)
        return torch.cat([one, other])


def test_a_layer_that_is_called_twice_counts_once() -> None:
    net, x = Siamese(), torch.randn(10, 3)
    z = embed(net, ["encoder"], x.split(4))["encoder"]
    torch.testing.assert_close(z, net.encoder(x).detach())


class NoForward(nn.Module):
    """As a LightningModule that has a training_step alone."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(3, 2)


class Paired(NoForward):
    """It takes two inputs, as of two modalities."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.cat([self.encoder(x), self.encoder(y)])


@pytest.mark.parametrize("net", [NoForward(), Paired()], ids=["no forward", "two inputs"])
def test_a_model_that_is_called_in_another_way_is_told_how(net: NoForward) -> None:
    x = torch.randn(10, 3)
    with pytest.raises(UserError, match=r"cannot be called with a batch of the probe .*: pass forward=lambda"):
        embed(net, ["encoder"], [x])
    assert embed(net, ["encoder"], [x], lambda model, batch: net.encoder(batch))["encoder"].shape == (10, 2)


def test_a_layer_that_only_some_batches_reach_is_told() -> None:
    net = Net()

    def run(model: nn.Module, batch: Tensor) -> object:
        return net(batch) if len(batch) > 3 else net.backbone(batch)

    with pytest.raises(UserError, match="does not reach the layer 'projector'"):
        embed(net, ["projector"], IMAGES.split(7), run)
