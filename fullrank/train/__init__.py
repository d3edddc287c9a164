"""Room 3: the only one that knows steps, processes and Lightning. Importing it loads no torch."""

from fullrank.train.recipe import Recipe, RunOptions

__all__ = ["Recipe", "RunOptions"]
