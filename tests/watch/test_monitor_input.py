"""What the monitor refuses, in a sentence, and what takes the place of what it has seen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.watch import CollapseMonitor, CollapseWarning
from tests.metrics.clouds import gaussian, offset
from tests.watch.loops import feed


@pytest.mark.parametrize("z", [torch.zeros(3), torch.zeros(2, 3, 4), torch.zeros(0, 4), torch.zeros(4, 0).numpy()])
def test_what_is_no_batch_of_embeddings_is_refused(z: Tensor) -> None:
    with pytest.raises(UserError, match="pass"):
        CollapseMonitor()(z)


@pytest.mark.parametrize(
    ("z", "says"),
    [
        (None, "A NoneType cannot be read as"),
        ([[1.0, 2.0], [3.0]], "A list cannot be read as"),
        (["a", "b"], "A list cannot be read as"),
        (torch.zeros(300, 4, dtype=torch.complex64), "pass real numbers, dense"),
        (torch.zeros(300, 4).to_sparse(), "pass real numbers, dense"),
    ],
)
def test_what_no_reading_can_be_made_of_is_told_in_a_sentence(z: Any, says: str) -> None:
    with pytest.raises(UserError, match=says):
        CollapseMonitor()(z)


def test_views_of_other_rows_are_told_by_their_shapes() -> None:
    with pytest.raises(UserError, match=r"The views have the shapes \(64, 8\) and \(63, 8\): pass as many rows"):
        CollapseMonitor()(torch.zeros(64, 8), other_view=torch.zeros(63, 8))


def test_batches_that_could_never_be_joined_are_told_and_not_dropped() -> None:
    """A second view at every other step: no reading would ever have rows enough, and nothing would say so."""
    monitor = CollapseMonitor(every=1)
    monitor(gaussian(100, 8), other_view=gaussian(100, 8, 1))
    with pytest.raises(UserError, match=r"\(2, 8\) and are \(1, 8\) now: .* other_view= at every step or at none"):
        monitor(gaussian(100, 8))
    with pytest.raises(UserError, match=r"\(2, 9\) now: use a monitor for each layer"):
        monitor(gaussian(300, 9), other_view=gaussian(300, 9))


def test_a_step_may_be_a_tensor_and_has_to_be_whole() -> None:
    monitor = CollapseMonitor(every=1)
    monitor(gaussian(256, 8), step=torch.tensor(3))  # type: ignore[arg-type]
    assert json.loads(json.dumps(monitor.state_dict()))["step"] == 3
    with pytest.raises(UserError, match=r"The step is 4\.5: pass a whole number"):
        monitor(gaussian(256, 8), step=4.5)  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore::fullrank.watch.CollapseWarning")
def test_a_state_takes_the_place_of_what_the_monitor_has_seen() -> None:
    """As when a training goes back to a checkpoint in the same process."""
    state = feed([gaussian(256, 8, step) for step in range(3)]).state_dict()
    monitor = feed([offset(1e-3, 256, 8)] * 9, on_alarm="stop")
    monitor.load_state_dict(state)
    assert (monitor.state_dict(), monitor.alarms, monitor.should_stop) == (state, [], False)
    assert monitor(gaussian(256, 8), step=3) is not None  # though the schedule had come to step 8


@pytest.mark.parametrize("state", [{}, {"step": 1, "readings": [{"step": 0, "row": {"n": 256.0}}]}])
def test_another_state_is_refused_and_leaves_nothing_behind(state: dict[str, Any]) -> None:
    monitor = feed([gaussian(256, 8)])
    with pytest.raises(UserError, match=r"cannot read this state .*: pass what state_dict\(\) gave"):
        monitor.load_state_dict(state)
    assert monitor.readings == []


def test_an_unknown_reaction_is_refused() -> None:
    with pytest.raises(UserError, match="There is no on_alarm='halt': pass 'warn', 'stop' or a function"):
        CollapseMonitor(on_alarm="halt")  # type: ignore[arg-type]


def test_a_warning_names_the_line_of_the_loop() -> None:
    with pytest.warns(CollapseWarning) as said:
        feed([offset(1e-3, 256, 8)] * 3)
    assert [Path(one.filename).name for one in said] == ["loops.py"]  # where `feed` calls the monitor


def test_the_page_says_how_many_numbers_a_reading_is() -> None:
    page = (Path(__file__).parents[2] / "docs/watching.md").read_text(encoding="utf-8")
    row = feed([gaussian(256, 16)]).readings[0].row
    assert f"is {len(row.keys() - {'n', 'dims', 'batches'})} numbers of 256 to 1,024 rows" in page


@pytest.mark.filterwarnings("ignore::fullrank.watch.CollapseWarning")
@pytest.mark.parametrize(("before", "after"), [(1024, 256), (1024, 300), (300, 1024), (256, 64)])
def test_a_resumed_monitor_reads_as_many_rows_as_before(before: int, after: int) -> None:
    """The effective rank of fewer rows is lower, which was an alarm for a healthy training."""
    first = CollapseMonitor(every=1)
    for step in range(8):
        first(gaussian(before, 64, step), step)
    first(gaussian(before, 64) / 0, 8)  # has no numbers
    second = CollapseMonitor(every=1)
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    for step in range(9, 9 + 4 * -(-before // after)):
        second(gaussian(after, 64, step), step)
    rows = [one.row["n"] for one in second.readings]
    assert len(rows) > 9
    assert set(rows) == {before}
    assert {alarm.rule for alarm in second.alarms} == {"not finite"}
    second.restart()
    second(gaussian(after, 64))
    assert {one.row["n"] for one in second.readings} <= {after}  # another training


def test_a_look_is_a_step_of_the_training() -> None:
    monitor = CollapseMonitor(every=1)
    monitor.look(gaussian(256, 8), 1000)
    assert [(reading := monitor(gaussian(256, 8, seed))) and reading.step for seed in range(2)] == [1001, 1002]
    monitor.look(gaussian(256, 8), 1002)
    with pytest.raises(UserError, match="Step 5 comes after step 1002: pass the step of the whole training"):
        monitor(gaussian(256, 8), 5)
    with pytest.warns(UserWarning, match="look at step 5 comes after step 1002 and counts as of it"):
        assert monitor.look(gaussian(256, 8), 5).step == 1002
    with pytest.raises(UserError, match=r"The step is 4\.5"):
        monitor.look(gaussian(256, 8), 4.5)  # type: ignore[arg-type]
    assert monitor.state_dict()["step"] == 1002


def test_a_state_of_looks_alone_goes_on_from_the_last_of_them() -> None:
    first = CollapseMonitor()
    for step in (10, 20):
        first.look(gaussian(256, 8, step), step)
    second = CollapseMonitor(every=1)
    second.load_state_dict({**first.state_dict(), "step": -1})  # as version 0.1.0 wrote it
    assert second(gaussian(256, 8)) is not None
    assert second.readings[-1].step == 21
