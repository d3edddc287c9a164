"""The gallery of the papers' experiments."""
