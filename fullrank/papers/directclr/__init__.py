"""Jing et al. (2022), DirectCLR."""
