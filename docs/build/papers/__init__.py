"""Builds docs/papers.md from the results of the papers' experiments."""
