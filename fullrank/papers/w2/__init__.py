"""Fang et al. (2024), W2 uniformity."""
