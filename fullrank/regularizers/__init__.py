"""Terms that any method can take, one file each. A file here is a record whose fields are flags; no torch."""

from fullrank.regularizers.regularizer import Regularizer, Step

__all__ = ["Regularizer", "Step"]
