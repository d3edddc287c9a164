"""For the tests of anyone's encoder, loss or metric."""

from __future__ import annotations

from fullrank.testing.assertions import assert_not_collapsed

__all__ = ["assert_not_collapsed"]
