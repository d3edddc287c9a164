"""Level 5: self-supervised steps; the one seam. Importing it loads no torch."""
