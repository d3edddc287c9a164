"""What docs/papers.md says between its tables."""

from __future__ import annotations

from collections.abc import Iterable

HEADER = """# The papers' claims, tested

What was read: of Fang et al. (W2) and Jing et al. (DirectCLR) the whole paper and code; of Weng et al. (INTL) the
abstract, the public reviews (which name powers of the spectrum) and the whole code; of Ozsoy et al. (CorInfoMax) the
abstract and the whole code; of Durrant & Leontidis (HSR-BYOL) abstract and introduction. Every part of a claim says
where it is from: abstract, paper, code, or **ours**, which none of them says.

`fullrank paper` lists the experiments, `fullrank paper NAME --out DIR` runs one, `fullrank paper --all --out DIR`
all of them into a gallery. The files under [results/papers](results/papers) hold the command, the time, every
number and the curves.

## How to read a verdict

A claim has parts, and the first is its **headline**, which alone decides. Of each part the effect is measured seed
by seed, and paired: both sides share a seed. Beside it stand the 95 % interval of Student's t over the seeds and
the margin that matters.

- **held**: the interval is above zero and the mean effect at least the margin. So something is there, and the best
  guess is that it matters; the interval may reach below the margin. **reversed**: the same, the other way round.
- **undecided**: everything else. It says "as claimed" or "against the claim" where the whole interval is on one side
  of zero, and "too small to matter" where all of it is within the margin, "perhaps" where a part is. Undecided without
  such words fits with no effect, and with one that matters.
- A part that two things are **level** holds where the interval is within the margin, and is reversed where all of it is
  outside; one that something is **less than so much behind** holds where the interval is above minus the margin. Where
  a part has a threshold, such as "does not collapse", the effect is counted from it, and reversed means below it.
- **Exact** parts have no chance in them: they hold in every value to rounding, or the part has **failed**.

**Margins.** Half a point of accuracy counts as better, and up to two count as level. A level part says "not equal, but
within the margin" where its interval is on one side of zero. In gray half a point is 25 of 5,000 test images, in color
5 of 1,018.

**What the intervals leave out.** They are of the seeds, on one set of test images. Each is at 95 % by itself: of many
parts in which nothing is there, some are held or reversed by chance. In simulated results of every shape that exists
here, of noise alone, at most 5 % of the headlines are held and at least 90 % undecided (`tests/papers/test_chance.py`);
that tests headlines without their margins, and no seeds that are added after a look.

**What was known before.** Headlines and margins were chosen when the first results were known, and some experiments
were changed after a result, which the "But" of each part below says; most of the fresh seeds further down were run
after that. From now on they are fixed beside each experiment. `fullrank paper --judge DIR` judges results again by
today's parts without training; `--seed-from 2000` runs an experiment with seeds that none of these results has, and
`--seeds 10` adds seeds to a run of yours with fewer.

**Collapsed** is here an embedding whose effective rank as a share of its dimensions, times its relative spread, is
below 0.1: a rank has no scale, and a spread does not see a line. That is a cruder rule than that of `fullrank
diagnose`, and it asks for width: SimCLR's embedding of 256 dimensions in the README's table would be collapsed by it,
with 0.05.

The trainings on images are small: 38,400 images of Fashion-MNIST at 16 x 16 pixels (two thirds of an epoch, 150 steps
of 256), the `tiny` encoder, three seeds or ten. They take some 15 seconds of one core each, and by themselves cannot
tell "false" from "too short". `--full` trains ResNet-18 for 100 epochs of the images at their own size with `tiny`'s
projector, optimizer and weights, so it is not the paper's setting; no such run is part of this page. The authors' own
settings are presets, and `fullrank paper --published` lists the commands that would reproduce their tables, with hours.
What is shown is measured by FullRank; it is not a reading of the papers' own tables.
"""

THEORY = """## Without images

Closed forms, point clouds and toy networks. They test that formulas and code do what the paper says, in seconds. Most
parts of W2's ask which way a metric moves, not how far: another metric that moves the same way would pass them.
"""

TRAINED = """## Trained on images

Gray is Fashion-MNIST. Color is sprites (`python -m benchmarks.sets sprites-32 --out SETS`), with the same commands and
`--data SETS/sprites-32 --steps 150`, at 16 x 16 pixels too: {run} of {trained} so far, and the column says at which
budget. Accuracy in gray is that of neighbors on 5,000 test images, judged by 5,000 others; the 1,018 test sprites, of
other figures than the training ones, are judged by all training images. Beside it is ridge regression on the same
images (DirectCLR's linear probe learns from all training images). Some of what did not hold was trained for longer, of
the same images in memory (`--arrays` writes them, `--data SETS/sprites-32.npz` reads them), which takes less time;
since other code cuts and resizes them there, its 150 steps stand beside.

{twice}
"""

PREDICTS = """## Does W2 predict accuracy?

No experiment above asks whether W2 orders trainings as their accuracy does; the bench asks it of every recipe in color,
beside nine other numbers and with intervals:
[Do label-free numbers predict accuracy?](results/bench/README.md#do-label-free-numbers-predict-accuracy) In short:
across recipes a low W2 goes with a high accuracy of neighbors, of the backbone more than of the embedding, as high
ranks do, and not with linear accuracy; among seeds of one recipe it says next to nothing. Among three learning rates it
chooses better than chance, but hardly better than always taking the default; among a host alone, with Wang and Isola's
loss and with W2, four hosts cannot tell its choice from chance.
"""


def row(cells: Iterable[str]) -> str:
    """A row of a table in Markdown, in which no cell ends early.

    >>> row(["a", "|v| > 0"])
    '| a | \\\\|v\\\\| > 0 |'
    """
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
