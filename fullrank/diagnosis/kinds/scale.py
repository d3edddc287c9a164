"""Scale: the embeddings have shrunk to where number formats and eps terms decide."""

from __future__ import annotations

from fullrank.diagnosis.rule import Advice, Cause, Evidence, Gate, Graded, Remedy, Rule

RULES = (
    Rule(
        "vanishing scale",
        "scale",
        (
            Evidence(
                # 1e-12 is the eps of torch's normalize in float32; a square of 1e-4 is lost in half precision
                Graded("row_norm", "below", 1e-4, 1e-12),
                "the rows have a norm of {row_norm:.2g}, where half precision loses squares below 6e-8 and "
                "normalization divides by its eps of 1e-12",
                (Gate("row_norm", "below", 1e-3),),  # or an interval that reaches 0 says nothing
            ),
        ),
        Advice(
            "The other numbers here do not depend on the scale; dot products, softmaxes and thresholds do.",
            (
                Cause("the weight decay or L2 pulls the embeddings to the origin", "their norm over the training"),
                Cause(
                    "the loss does not depend on the scale, and weight decay shrinks it",
                    "with the last layer's decay at 0 the norm stays",
                ),
            ),
            (Remedy("scale all rows to length 1", "z = torch.nn.functional.normalize(z.double(), dim=1, eps=0.0)"),),
            "The norm stays where it was at the start of the training.",
        ),
        title="to the origin",
    ),
)
