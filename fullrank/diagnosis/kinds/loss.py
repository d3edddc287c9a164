"""A loss at the value of constant embeddings, or of a part of the batch: the advice for such a finding."""

from __future__ import annotations

from fullrank.diagnosis.rule import Advice, Cause, Gate, Remedy, having

PLATEAU = Advice(
    "The loss has the value of constant embeddings: the training stands at a collapse, or never left its start.",
    (
        Cause(
            "the embeddings have collapsed",
            "the spread here is near 0",
            needs=(Gate("relative_spread", "below", 0.1, or_missing=True),),
            proof=(Gate("relative_spread", "below", 0.1),),
        ),
        Cause("it never left the start", "the spread is that of an untrained network: learning rate, labels"),
        Cause("views or labels are not paired", "it cannot fit 128 samples either"),
    ),
    (
        Remedy(
            "start a learned temperature at 0.07 and bound it",
            "with torch.no_grad():\n    logit_scale.fill_(math.log(1 / 0.07)).clamp_(max=math.log(100))",
            of=("contrastive", "language model"),
            needs=(having("has_temperature"),),
        ),
        Remedy(
            "fix the pairing, then the learning rate: train on 128 samples until the loss is near 0",
            "subset = range(128)",
        ),
    ),
    "The loss leaves the plateau within some hundred steps.",
)

DIVERGED = Advice(
    "A loss that is not a number has no gradient: every step since has destroyed the weights.",
    (
        Cause(
            "the learning rate is too high or there is no warm-up", "with a tenth of it from the start it stays finite"
        ),
        Cause("an overflow in half precision", "in float32 or bfloat16 it stays finite"),
        Cause("a division by 0, or the logarithm of 0", "torch.autograd.detect_anomaly names the operation"),
    ),
    (
        Remedy("clip the gradient", "torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)"),
        Remedy(
            "go back to the last checkpoint, with a tenth of the learning rate",
            "for group in optimizer.param_groups:\n    group['lr'] *= 0.1",
        ),
    ),
    "The loss is a number at every step.",
)

NOT_GATHERED = Advice(
    "Each process contrasts its own share of the batch only: a larger batch does not give more negatives.",
    (Cause("the embeddings are not gathered before the loss", "the plateau grows by ln 2 with a doubled local batch"),),
    (Remedy("gather with gradient, before the loss", "views = fullrank.gather(views, dim=1)"),),
    "At the start the loss is the logarithm of the global batch.",
)
