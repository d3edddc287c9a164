"""What goes in and what comes out: arrays of any kind, views, labels; JSON by its schema; errors."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import fastjsonschema
import numpy as np
import pytest
import torch
from torch import Tensor

import fullrank
from fullrank.diagnosis.report import Report
from fullrank.errors import CollapseError, UserError
from fullrank.testing import assert_not_collapsed
from tests.metrics.clouds import gaussian, low_rank

SCHEMA = Path(__file__).parents[2] / "docs" / "diagnosis.schema.json"


@cache
def validate() -> Any:
    return fastjsonschema.compile(json.loads(SCHEMA.read_text(encoding="utf-8")))


def cloud() -> Tensor:
    return gaussian(60, 8)


REPORTS = {
    "healthy": lambda: fullrank.diagnose(cloud()),
    "one point": lambda: fullrank.diagnose(torch.ones(40, 8)),
    "one row": lambda: fullrank.diagnose(torch.ones(1, 8)),
    "one dimension": lambda: fullrank.diagnose(gaussian(40, 1)),
    "zeros": lambda: fullrank.diagnose(torch.zeros(40, 8)),
    "views": lambda: fullrank.diagnose(torch.stack([cloud(), cloud() + 0.1])),
    "modalities": lambda: fullrank.diagnose(torch.stack([cloud(), cloud() + 9]), profile="clip"),
    "labels": lambda: fullrank.diagnose(cloud(), labels=["a", "b", "c"] * 20),
    "low rank": lambda: fullrank.diagnose(low_rank(2, 200, 64)),
}


@pytest.mark.parametrize("name", REPORTS)
def test_every_report_is_json_by_the_published_schema(name: str) -> None:
    content = REPORTS[name]().to_json()
    text = json.dumps(content, allow_nan=False)
    validate()(json.loads(text))
    assert content["labeled"] == (name == "labels")


def test_the_schema_refuses_what_is_none() -> None:
    content = fullrank.diagnose(cloud()).to_json()
    with pytest.raises(fastjsonschema.JsonSchemaException, match="verdict"):
        validate()(content | {"verdict": "fine"})
    with pytest.raises(fastjsonschema.JsonSchemaException, match="score"):
        validate()(content | {"score": 1})


class OnlyArray:
    """An array of another library."""

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray[Any, Any]:
        return cloud().numpy()


class OnlyDLPack:
    """An array of yet another."""

    def __dlpack__(self, **_options: object) -> object:
        return cloud().__dlpack__()

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0


def numbers(report: Report) -> dict[str, float]:
    return {name: one.value for name, one in report.measurements.items()}


@pytest.mark.parametrize("z", [cloud().numpy(), OnlyArray(), OnlyDLPack(), cloud().requires_grad_()], ids=type)
def test_arrays_of_every_kind_give_the_same_report(z: object) -> None:
    assert numbers(fullrank.diagnose(z)) == numbers(fullrank.diagnose(cloud()))


def test_half_precision_is_read() -> None:
    assert fullrank.diagnose(cloud().bfloat16()).verdict == fullrank.diagnose(cloud()).verdict == "healthy"


@pytest.mark.slow
def test_views_come_stacked_as_a_list_or_as_one_array() -> None:
    one, two = cloud(), cloud() + 0.1
    reports = [
        fullrank.diagnose(torch.stack([one, two])),
        fullrank.diagnose(torch.cat([one, two]), views=2),
        fullrank.diagnose(one, views=[two.numpy()]),
    ]
    assert [(report.views, report.n) for report in reports] == [(2, 60)] * 3
    assert numbers(reports[0]) == numbers(reports[1]) == numbers(reports[2])
    assert reports[0].measurements["view_retrieval"].value == 1.0


@pytest.mark.parametrize(
    ("z", "options", "sentence"),
    [
        ([[1.0, 2.0]], {}, "list is not an array"),
        (torch.ones(3), {}, "shape"),
        (torch.ones(0, 3), {}, "shape"),
        (torch.ones(3, 3, dtype=torch.int64), {}, "int64"),
        (np.ones((3, 3), dtype=complex), {}, "complex"),
        (np.array([["a", "b"]]), {}, "no numbers"),
        (torch.ones(3, 3).to_sparse(), {}, "sparse"),
        (torch.tensor([[1.0], [float("nan")]]), {}, "Row 1 contains NaN"),
        (torch.ones(3, 3), {"views": 2}, "2 views"),
        (torch.ones(3, 3), {"views": [torch.ones(4, 3)]}, "all alike"),
        (torch.ones(3, 3), {"labels": [1, 2]}, "labels"),
        (torch.ones(3, 3), {"labels": [0.5, 1.0, 1.0]}, "labels"),
        (torch.ones(3, 3), {"groups": [1, 2]}, "groups"),
        (torch.ones(3, 3), {"profile": "contrastiv"}, "did you mean contrastive"),
        (torch.ones(3, 3), {"loss": ("infonce", 5.5)}, "pass batch_size="),
        (torch.ones(3, 3), {"loss": ("mine", 5.5)}, "mine"),
    ],
)
def test_bad_input_is_one_sentence(z: object, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence) as raised:
        fullrank.diagnose(z, **options)
    assert str(raised.value).count("\n") == 0


@pytest.mark.slow
def test_collapse_raises_where_asked() -> None:
    report = fullrank.diagnose(torch.ones(40, 8))
    with pytest.raises(AssertionError, match="Collapsed to a point") as raised:
        report.raise_for_status()
    assert isinstance(raised.value, CollapseError)
    assert str(report).splitlines()[0] == report.sentence
    fullrank.diagnose(cloud()).raise_for_status()
    with pytest.raises(CollapseError):
        assert_not_collapsed(low_rank(5, 200, 64))
    assert_not_collapsed(low_rank(5, 200, 64), profile="supervised")  # where it is only a warning


@pytest.mark.slow
def test_the_page_is_written(tmp_path: Path) -> None:
    fullrank.diagnose(torch.ones(40, 8)).to_html(tmp_path / "report.html")
    assert "Collapsed to a point" in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_same_seed_gives_the_same_report() -> None:
    z = gaussian(3000, 8)  # more than the sample for pairs
    one, two, other = (fullrank.diagnose(z, seed=seed) for seed in (0, 0, 1))
    assert one.to_json() == two.to_json()
    assert numbers(one) != numbers(other)


@pytest.mark.slow
def test_groups_widen_the_intervals() -> None:
    z = gaussian(40, 8).repeat_interleave(20, 0) + 0.1 * gaussian(800, 8, seed=1)  # 40 donors of 20 cells
    rank = [fullrank.diagnose(z, groups=groups).measurements["nesum"] for groups in (None, torch.arange(800) // 20)]
    widths = [float(one.high or 0) - float(one.low or 0) for one in rank]
    assert widths[1] > 2 * widths[0] > 0


@pytest.mark.slow
def test_importing_fullrank_loads_no_torch() -> None:
    program = "import sys, fullrank; print('torch' in sys.modules, callable(fullrank.diagnose), 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "True"]
    with pytest.raises(AttributeError, match="diagnosee"):
        fullrank.diagnosee  # noqa: B018
