"""For the tests of anyone's encoder: embeddings that have collapsed fail."""

from __future__ import annotations


def assert_not_collapsed(z: object, *, profile: str = "generic") -> None:
    """Raise `fullrank.errors.CollapseError`, an AssertionError, if z (N, D) or (V, N, D) has collapsed.

    Warnings and "undetermined" pass. Takes what `fullrank.diagnose` takes.

    Args:
        z: Embeddings (N, D) or views of them (V, N, D).
        profile: What made them, such as "text".

    Raises:
        CollapseError: They have collapsed.

    >>> import torch
    >>> assert_not_collapsed(torch.randn(100, 8, generator=torch.Generator().manual_seed(0)))
    >>> assert_not_collapsed(torch.ones(100, 8))
    Traceback (most recent call last):
    fullrank.errors.CollapseError: Collapsed to a point: the spread around the mean is 0.00% of the norm and the mean
    cosine 1.000.
    """
    from fullrank.diagnosis.diagnose import diagnose

    diagnose(z, profile=profile).raise_for_status()
