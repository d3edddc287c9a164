"""Views: two views of a sample that have nothing in common."""

from __future__ import annotations

from fullrank.diagnosis.rule import Advice, Cause, Evidence, Gate, Graded, Remedy, Rule

RULES = (
    Rule(
        "unrelated views",
        None,
        (
            Evidence(
                Graded("view_retrieval", "below", 0.1),  # ours
                "only {view_retrieval:.1%} of the views find their sample's other view, and their distance is "
                "{alignment:.2f} (2: unrelated)",
                (Gate("alignment", "above", 1.0),),  # ours: half way to unrelated
            ),
        ),
        Advice(
            "Two views of a sample have nothing in common, so the embedding ignores what it should keep.",
            (
                Cause("the views are not paired (shuffled)", "train on 128 samples: the views must find each other"),
                Cause("the regularizer outweighs the invariance", "with a tenth of its weight the views agree"),
            ),
            (
                Remedy("less regularization", "--w2 0.05", of=("two-branch", "contrastive")),
                Remedy(
                    "check that row i of both views is the same sample",
                    "print(torch.nn.functional.cosine_similarity(views[0], views[1]))",
                ),
            ),
            "View retrieval is far above 1 / N.",
        ),
        least=32,
    ),
)
