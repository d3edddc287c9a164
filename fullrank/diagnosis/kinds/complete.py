"""Complete collapse: all embeddings are one point, or one direction."""

from __future__ import annotations

from fullrank.diagnosis.rule import Advice, Cause, Evidence, Gate, Graded, Remedy, Rule, having, lacking

SPREAD_WARNS, SPREAD_FAILS = 0.1, 0.01  # relative spread; a healthy embedding is near 1
COSINE_WARNS, COSINE_FAILS = 0.9, 0.99  # mean cosine of the self-supervised embedding
ALL_ZERO = 0.999

_ADVICE = Advice(
    "All inputs get the same embedding, or embeddings that differ only in length: little or nothing tells them apart.",
    (
        Cause(
            "nothing in the objective keeps embeddings apart",
            "the loss is smallest when all embeddings are equal",
            of=("two-branch",),
            needs=(lacking("keeps_apart"),),
            proof=(Gate("keeps_apart", "below", 0.5),),
        ),
        Cause(
            "gradients reach the target: a stop-gradient is missing",
            "the gradient of the target branch must be None or 0",
            of=("two-branch",),
            needs=(having("has_target"),),
        ),
        Cause(
            "the predictor is too weak or learns too slowly",
            "with ten times its learning rate the spread returns",
            of=("two-branch",),
            needs=(having("has_predictor"),),
        ),
        Cause(
            "the teacher follows too fast",
            "with a momentum of 0.996 or more the spread returns",
            of=("two-branch",),
            needs=(having("has_teacher"),),
        ),
        Cause(
            "all negatives are easy, or the hardest ones pull everything together",
            "the share of triplets with a loss above 0, and semi-hard negatives instead of the hardest",
            of=("metric learning",),
        ),
        Cause(
            "the regularization of the embeddings is too strong",
            "a tenth of the weight decay (or L2) keeps the spread",
            of=("recommender", "metric learning", "classification"),
        ),
        Cause(
            "there are no negatives, or too few", "the loss with twice the batch", of=("language model", "contrastive")
        ),
        Cause(
            "what all cells share outweighs the small effects of the perturbations",
            "the differences to the control have a mean cosine far below 1",
            of=("cells",),
        ),
        Cause("the learning rate is too high or there is no warm-up", "a tenth of it from the start keeps the spread"),
        Cause(
            "batch norm is missing, or was in eval mode while training",
            "the spread before and after it differs",
            of=("two-branch", "contrastive"),
        ),
        Cause(
            "the network or its file is broken, or all inputs are equal",
            "compare the inputs, and the embeddings of an untrained network",
            proof=(Gate("row_norm", "below", 1e-12),),
        ),
    ),
    (
        Remedy(
            "subtract the mean of the control (group 0) before cells are compared",
            "z = z - z[group == 0].mean(0)",
            of=("cells",),
        ),
        Remedy(
            "add a term that keeps the embeddings apart, by a flag of `fullrank train`",
            "--w2 0.5",
            of=("two-branch", "contrastive"),
        ),
        Remedy(
            "add a term that keeps the embeddings apart, in a loop of your own",
            'loss = loss + 0.5 * fullrank.losses.w2(views)["loss"]',
        ),
        Remedy(
            "use a loss with a variance term of its own",
            'loss = fullrank.losses.vicreg(views)["loss"]',
            needs=(lacking("has_variance_term"),),
        ),
        Remedy(
            "stop the gradient of the target, and move it slowly",
            "fullrank train byol --like RUN --teacher 0.996",
            of=("two-branch",),
            needs=(having("has_teacher"),),
        ),
        Remedy(
            "restart from a checkpoint from before the fall, with a tenth of the learning rate",
            "for group in optimizer.param_groups:\n    group['lr'] *= 0.1",
        ),
    ),
    "The relative spread rises above 0.1 and the mean cosine falls below 0.9 within some hundred steps, before any "
    "accuracy rises.",
)

RULES = (
    Rule(
        "complete collapse",
        "complete",
        (
            Evidence(
                Graded("relative_spread", "below", SPREAD_WARNS, SPREAD_FAILS),
                "the spread around the mean is {relative_spread:.2%} of the norm and the mean cosine {mean_cosine:.3f}",
            ),
            Evidence(
                Graded("mean_cosine", "above", COSINE_FAILS, COSINE_FAILS),
                "all embeddings point in one direction: the mean cosine is {mean_cosine:.3f}",
            ),
            Evidence(
                Graded("zero_rows", "above", ALL_ZERO, ALL_ZERO),
                "{zero_rows:.1%} of the rows are 0: they have neither a direction nor a norm",
            ),
            Evidence(
                Graded("modality_spread", "below", SPREAD_WARNS, SPREAD_FAILS),
                "one of the modalities has a spread of {modality_spread:.2%} of its norm around its mean",
            ),
        ),
        _ADVICE,
        title="to a point",
        silences=("every other",),
        because="what remains around a single point is noise, so this would measure the noise",
        from_fail=True,
    ),
)
