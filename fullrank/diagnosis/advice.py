"""What the doctor says about each rule of `rules`: why it matters, what may be the cause and how to tell, what to do.

`z` in the code is a stack of views (V, N, D). The causes are those that people report; none is certain without its
test.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Advice:
    """why: what it costs. causes: (cause, test that tells it from the others). remedies: (text, flag or code)."""

    why: str
    causes: tuple[tuple[str, str], ...]
    remedies: tuple[tuple[str, str], ...]
    verify: str


_REGULARIZE = "add a term that keeps the embeddings apart", "--w2 0.5, or loss + 0.5 * fullrank.losses.w2(z)['loss']"
_CENTRE = "center the embeddings before they are compared", "z = z - z.mean(0)"

ADVICE: dict[str, Advice] = {
    "complete collapse": Advice(
        "All inputs get the same embedding, so nothing that is built on it can tell them apart.",
        (
            ("the target passes a gradient (no stop-gradient)", "the gradient of the target branch must be None or 0"),
            ("the predictor is too weak or learns too slowly", "with ten times its learning rate the spread returns"),
            ("the teacher follows too fast", "with a momentum of 0.996 or more the spread returns"),
            ("the learning rate is too high or there is no warm-up", "a tenth of it from the start keeps the spread"),
            ("batch norm is missing, or was in eval mode while training", "the spread before and after it differs"),
            ("the network or its file is broken, or all inputs are equal", "the inputs, and an untrained network"),
        ),
        (
            _REGULARIZE,
            ("or a loss with a variance term of its own", "fullrank train vicreg, fullrank.losses.vicreg(z)['loss']"),
            ("stop the gradient of the target, and move it slowly", "fullrank train byol --teacher 0.996"),
            ("restart from a checkpoint from before the fall, with a tenth of the learning rate", "--lr 0.05"),
        ),
        "The relative spread rises above 0.1 within some hundred steps, before any accuracy does.",
    ),
    "dimensional collapse": Advice(
        "Most dimensions carry nothing that the others do not: classes that differ in the missing directions are lost.",
        (
            ("only the projector's output is meant to be so low", "the rank at the backbone is healthy: use that"),
            ("the augmentation is stronger than the signal", "with weaker crops and colors the rank rises"),
            ("a linear projector's bias to low rank", "without the projector the rank rises (DirectCLR)"),
            ("too few negatives, or a high temperature", "a larger batch or a lower temperature raises the rank"),
            ("a strong weight decay", "without it the rank rises"),
            ("the network is untrained, or at its first steps", "the rank rises over the first hundreds of steps"),
            ("the data has no more directions", "the rank of the inputs, or of an untrained network, is as low"),
        ),
        (
            ("add a term that sees missing directions", "--w2 0.5, or loss + 0.5 * fullrank.losses.w2(z)['loss']"),
            ("or maximize the rank itself", "loss + 0.1 * fullrank.losses.hill_entropy(z)['loss']"),
            ("train on a part of the representation, without a projector", "fullrank train directclr"),
            ("use the layer before the projector", "fullrank diagnose run/ --layer backbone"),
        ),
        "The participation ratio rises and its exponent falls towards 1, at the backbone too.",
    ),
    "clusters": Advice(
        "The embeddings are a few tight points: right for a closed set of classes, useless for anything finer.",
        (
            ("trained on the classes for too long", "with labels: the clusters are the classes"),
            ("only a few prototypes are used", "the entropy of the mean assignment is far below ln K"),
            (
                "the clusters are batches, donors or sources of the data",
                "the cluster tells the source better than it should",
            ),
            ("many inputs are equal", "the rows of one cluster come from different inputs"),
        ),
        (
            ("mix in an objective of single samples", "fullrank train simclr"),
            ("spread the directions", "--uniformity 1, or loss + fullrank.losses.uniformity(z)['loss']"),
            ("keep neighbors apart", "loss + 0.1 * fullrank.losses.koleo(z)['loss']"),
            ("stop earlier, or remove the batch effect", "--epochs 100"),
        ),
        "The relative contrast falls towards that of its null.",
    ),
    "modality gap": Advice(
        "The two towers live apart, and the gap hides matches: retrieval is better once each tower is centered.",
        (
            (
                "two untrained towers start in two cones, and a low temperature keeps them there",
                "it is there at step 0",
            ),
            ("one modality has too few or mismatched pairs", "retrieval is poor after centering, too"),
        ),
        (
            ("center each tower with its own mean, at inference", "a, b = a - a.mean(0), b - b.mean(0)"),
            (
                "do not let the temperature fall too low",
                "logit_scale.data.clamp_(max=math.log(50)), a temperature of 0.02",
            ),
            ("share the last projection", "one nn.Linear for both towers"),
        ),
        "Retrieval without centering reaches that with it; a distance of zero is no aim.",
    ),
    "modality gap of two groups": Advice(
        "Two groups that differ in one direction dominate every comparison across them.",
        (
            (
                "they are two modalities, sources or languages",
                "the sign of the first component tells which row is which",
            ),
            (
                "half of the rows were processed differently (another pooling, prefix or normalization)",
                "the file's order",
            ),
        ),
        (("center each group with its own mean", "z[group] = z[group] - z[group].mean(0)"),),
        "The first direction has no two peaks any more.",
    ),
    "head-dominated spectrum": Advice(
        "A few directions outweigh all the others in every distance, while the rest may be healthy.",
        (
            ("rogue dimensions with massive activations", "the largest standard deviations of single dimensions"),
            ("what is left of a cone or a modality gap", "two groups along the first direction"),
            ("one nuisance (length, brightness, batch) rules", "the first component correlates with it"),
        ),
        (
            ("standardize the dimensions", "z = (z - z.mean(0)) / z.std(0)"),
            (
                "take the first directions off (all-but-the-top)",
                "z = z - z @ top @ top.T, top: first eigenvectors (D, k)",
            ),
            ("normalize before the output, or use register tokens", "nn.LayerNorm(D, elementwise_affine=False)"),
        ),
        "The jump among the first eigenvalues falls below 10, and the weight of the head below 0.25.",
    ),
    "dead dimensions": Advice(
        "Storage and compute go to dimensions that are the same for every input.",
        (
            ("a ReLU at the output", "the dead dimensions are exactly 0; right for a backbone"),
            ("a bad start, or batch norm's weights went to 0", "the weights of the last layer and its norm"),
            ("the weight decay killed them", "they were alive early in the training"),
        ),
        (
            ("end in a linear layer or a batch norm", "the projector without its last ReLU"),
            ("add a variance term", "fullrank train vicreg, fullrank.losses.vicreg(z)['loss']"),
            ("or drop them", "z = z[:, z.std(0) > 0]"),
        ),
        "Their share is 0.",
    ),
    "copied dimensions": Advice(
        "Dimensions that repeat others carry nothing of their own.",
        (
            ("weights are tied or started equal", "the rows of the last layer's weight are equal"),
            ("no term keeps the dimensions from agreeing", "their correlation rose while training"),
        ),
        (
            ("add a term against correlation", "fullrank train barlow_twins, fullrank.losses.barlow_twins(z)['loss']"),
            ("or drop the copies", "keep one of each pair with a correlation above 0.999"),
        ),
        "No two dimensions have a correlation above 0.999.",
    ),
    "duplicate rows": Advice(
        "Copies leak between training and test sets, are false negatives, and falsify every number about neighbors.",
        (
            ("the data holds copies", "the inputs of equal rows are equal"),
            ("constant inputs: empty texts, black images", "the most frequent row's inputs"),
            ("the sampler repeats", "the same inputs appear more often than in the data"),
        ),
        (
            ("remove them", "z = z.unique(dim=0)"),
            ("keep them out of a batch", "BatchSamplers.NO_DUPLICATES of sentence-transformers"),
        ),
        "The share is below 2 %.",
    ),
    "rows of zeros": Advice(
        "A row of zeros has no direction: its cosines are undefined.",
        (
            ("empty or unreadable inputs", "the inputs of these rows"),
            ("a ReLU killed the whole row", "the layer before"),
        ),
        (("leave the rows out", "z = z[z.norm(dim=1) > 0]"),),
        "There is none.",
    ),
    "cone": Advice(
        "All cosines are high. The order of neighbors may be right all the same, but no fixed threshold works.",
        (
            ("a low temperature makes it on purpose (E5, BGE)", "retrieval is good: it is no error"),
            ("a loss without negatives on pairs of texts", "CosineSimilarityLoss was used"),
            ("a language model without fine-tuning", "it is there before the training"),
        ),
        (
            _CENTRE,
            ("train with negatives", "fullrank train simclr, or MultipleNegativesRankingLoss"),
            ("spread the directions", "--uniformity 1, or loss + fullrank.losses.uniformity(z)['loss']"),
            ("calibrate the threshold on pairs that are unrelated", "mean + 1.3 standard deviations of their cosines"),
        ),
        "The mean cosine is near 0 after centering, and retrieval did not suffer.",
    ),
    "cone of positive features": Advice(
        "No fixed threshold on a cosine works. By itself it says nothing against the features.",
        (("they are the output of a ReLU", "before it, the mean cosine is lower"),),
        (_CENTRE,),
        "The mean cosine is near 0 after centering.",
    ),
    "hubs": Advice(
        "A few rows are found for almost every query, and many are never found.",
        (
            ("a cone, or a mean that all share", "the skewness falls when the rows are centered"),
            ("short vectors under a dot product", "it falls when rows are scaled to length 1"),
            ("popular items", "the hubs are the most frequent ones"),
        ),
        (_CENTRE, ("correct for hubs at retrieval", "CSLS: 2 * cosine - mean cosine of either's k nearest")),
        "The skewness falls to that of a Gaussian cloud of the same spectrum.",
    ),
    "unrelated views": Advice(
        "Two views of a sample have nothing in common, so the embedding ignores what it should keep.",
        (
            ("the views are not paired (shuffled)", "train on 128 samples: the views must find each other"),
            ("the regularizer outweighs the invariance", "with a tenth of its weight the views agree"),
        ),
        (("check the order of the views", "fullrank diagnose --views 2"), ("less regularization", "--w2 0.05")),
        "View retrieval is far above 1 / N.",
    ),
    "labels at chance": Advice(
        "The space is spread, but neighbors do not share classes: it may encode something else.",
        (
            ("a shortcut: watermark, compression, length, batch", "predict that from the embedding"),
            ("the labels are in another order than the rows", "labels of a few rows, by hand"),
        ),
        (("augment against the shortcut", "--crops, colors, blur"), ("check the order of the labels", "--labels")),
        "Neighbors share labels more often than by chance.",
    ),
    "collapsed classes": Advice(
        "Each class is one point. Good for a closed set of classes; transfer and fine retrieval suffer.",
        (("trained to the end on these classes", "NC1 fell while the accuracy stood"),),
        (("use an earlier layer or checkpoint", "fullrank diagnose run/ --layer backbone"),),
        "NC1 rises above 0.1 on classes that were not trained on.",
    ),
    "weak class": Advice(
        "One class, language or donor has collapsed, which the whole hides.",
        (("it is rare", "its share of the training data"), ("its inputs are alike", "their duplicates")),
        (("weigh or sample classes evenly", "torch.utils.data.WeightedRandomSampler"),),
        "Its spread and rank come near to the median's.",
    ),
    "loss plateau": Advice(
        "The loss has the value of constant embeddings: the training stands at a collapse, or never left its start.",
        (
            ("the embeddings have collapsed", "the spread here is near 0"),
            (
                "it never left the start",
                "the spread is that of an untrained network: learning rate, temperature, labels",
            ),
            ("views or labels are not paired", "it cannot fit 128 samples either"),
        ),
        (
            ("fix the pairing, then the learning rate", "train on 128 samples until the loss is near 0"),
            ("start a learned temperature at 0.07 and bound it", "logit_scale = log(1 / 0.07), at most log(100)"),
        ),
        "The loss leaves the plateau within some hundred steps.",
    ),
    "negatives not gathered": Advice(
        "Each process contrasts its own share of the batch only: a larger batch does not give more negatives.",
        (("the embeddings are not gathered before the loss", "the plateau grows by ln 2 with a doubled local batch"),),
        (
            ("gather with gradient", "torch.distributed.nn.functional.all_gather, and use what it returns"),
            ("or train with FullRank, which gathers before every loss", "fullrank train simclr --devices 2"),
        ),
        "At the start the loss is the logarithm of the global batch.",
    ),
}
