"""Scores of frozen features: neighbors and linear probes."""
