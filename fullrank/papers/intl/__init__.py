"""Weng et al. (2024), INTL."""
