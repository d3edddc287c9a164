"""How fast a training was, which part of it was the slower one, and what makes that faster."""

from __future__ import annotations

from fullrank.report.numbers import number
from fullrank.runs.run import Numbers


def speed_words(rates: Numbers) -> str:
    """The images per second of a finished run in a sentence or two; empty where it did not measure them.

    >>> speed_words({"all": 780.0, "reading": 800.0, "network": 5300.0, "workers": 2, "cores": 8})
    'It took 780 images/s. Reading was slower (800) than the network (5,300): --workers 8 uses all cores.'
    >>> speed_words({"all": 90.0, "reading": None, "network": 91.0, "workers": 2, "cores": 2})
    'It took 90 images/s, all of them in memory.'
    >>> speed_words({"all": 239.0, "reading": 1208.0, "network": None, "workers": 2, "cores": 2})
    'It took 239 images/s.'
    """
    every, reading, network = (rates.get(name) for name in ("all", "reading", "network"))
    if every is None:
        return ""
    if network is None:
        return f"It took {number(every)} images/s."
    if reading is None:
        return f"It took {number(every)} images/s, all of them in memory."
    if reading < network:
        slower = (
            f"Reading was slower ({number(reading)}) than the network ({number(network)}): {_faster_reading(rates)}"
        )
    else:
        slower = f"The network was slower ({number(network)}) than reading ({number(reading)}): {_FASTER_NETWORK}"
    return f"It took {number(every)} images/s. {slower}"


_FASTER_NETWORK = "a GPU, a smaller --image-size or a smaller --backbone makes it faster."


def _faster_reading(rates: Numbers) -> str:
    workers, cores = rates.get("workers") or 0, rates.get("cores") or 0
    if workers < cores:
        return f"--workers {cores:.0f} uses all cores."
    return "all cores read, so files no larger than twice the --image-size, or fewer --crops, make it faster."
