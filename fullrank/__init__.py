"""FullRank: self-supervised representation learning that uses every dimension."""

__version__ = "0.1.0"
