"""Sums and searches over all pairs of rows, in blocks: memory grows with the rows, not with their square."""
