"""Ozsoy et al. (2022), CorInfoMax."""
