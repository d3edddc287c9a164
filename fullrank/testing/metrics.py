"""The contract of a metric, for anyone's: `check_metric` tries every law and says which breaks, on which numbers."""

from __future__ import annotations

from functools import partial

from fullrank.metrics import Measurement
from fullrank.testing.laws import chosen, judged, raise_all
from fullrank.testing.metric_laws import METRIC_LAWS, PAIR_LAWS

laws_of_metrics = (*METRIC_LAWS,)
"""The laws of a metric of embeddings (N, D), for `pytest.mark.parametrize`."""
laws_of_pair_metrics = (*PAIR_LAWS,)
"""The laws of a metric of two embeddings (N, D) of the same samples."""


def check_metric(metric: Measurement, *, law: str | None = None) -> None:
    """Hold a metric to the contract: ordered over graded collapses or blind to them as it says, defined at every edge.

    Args:
        metric: Its record: a function of embeddings (N, D), or with of="pair" of two, that returns a float, and what is
            said of it. The laws of order and of perfect rows hold for one with a direction, an ideal, a value at
            collapse and blind spots.
        law: The one to check, of `laws_of_metrics` or `laws_of_pair_metrics`; all if None.

    Raises:
        AssertionError: It breaks a law: the law, the input and the numbers.
        UserError: There is no such law.

    Blind to: what random clouds of 256 rows in 64 dimensions do not show.

    >>> from fullrank.metrics import Measurement, relative_spread
    >>> record = Measurement("spread", relative_spread, of="rows", direction="high", ideal=1.0, collapsed=0.0,
    ...                      range=(0.0, 1.0), blind_to=frozenset({"dimensional", "cluster", "dead", "duplicate"}))
    >>> check_metric(record)
    >>> from dataclasses import replace
    >>> check_metric(replace(record, blind_to=frozenset()), law="dead")
    Traceback (most recent call last):
    AssertionError: spread breaks the law "dead" (worse with each grade of dead collapse, or blind to it): over 4 grades
    of dead collapse it is 0.9978, 0.9971, 0.9977, 0.9972, which is not falling.
    """
    laws = PAIR_LAWS if metric.of == "pair" else METRIC_LAWS
    raise_all(
        [
            judged(metric.name, each, laws[each][1], partial(laws[each][0], metric), {})
            for each in chosen(metric.name, law, {}, (*laws,))
        ]
    )
