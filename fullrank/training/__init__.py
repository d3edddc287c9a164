"""Self-supervised steps; the one seam. Importing it loads no torch."""
