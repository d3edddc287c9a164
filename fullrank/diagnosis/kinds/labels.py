"""Labels: what the neighbors and the classes say in addition to the geometry."""

from __future__ import annotations

from fullrank.diagnosis.rule import Advice, Cause, Evidence, Graded, Remedy, Rule

RULES = (
    Rule(
        "labels at chance",
        None,
        (
            Evidence(
                Graded("label_gain", "below", 0.02),  # ours
                "a row's neighbors have its label in {neighbor_labels:.1%} of the cases, hardly more than by chance",
            ),
        ),
        Advice(
            "The space is spread, but neighbors do not share classes: it may encode something else.",
            (
                Cause("a shortcut: watermark, compression, length, batch", "predict that from the embedding"),
                Cause("the labels are in another order than the rows", "labels of a few rows, by hand"),
            ),
            (
                Remedy(
                    "see which classes are neighbors",
                    "near = torch.cdist(z, z).topk(2, largest=False).indices[:, 1]\n"
                    "print(labels[:20], labels[near[:20]])",
                ),
            ),
            "Neighbors share labels more often than by chance.",
        ),
        least=64,
        most="note",  # of random labels, nothing follows for the embeddings
    ),
    Rule(
        "weak class",
        None,
        (
            Evidence(
                Graded("class_spread", "below", 0.25),
                "a class has {class_spread:.0%} of the spread of the median class",
            ),
            Evidence(
                Graded("class_rank", "below", 0.25), "a class has {class_rank:.0%} of the rank of the median class"
            ),
        ),
        Advice(
            "One class, language or donor may have collapsed, which the overall numbers hide.",
            (
                Cause("its inputs are alike", "ten of them"),
                Cause("it is rare", "its share of the training data"),
            ),
            (
                Remedy(
                    "weigh or sample classes evenly",
                    "weights = 1.0 / labels.bincount()[labels]\n"
                    "sampler = torch.utils.data.WeightedRandomSampler(weights, len(labels))",
                ),
            ),
            "Its spread and rank come near to those of the median class.",
        ),
        least=64,
        most="note",  # of a class of like inputs, such as crops of a plain picture, nothing follows for the embeddings
    ),
)
