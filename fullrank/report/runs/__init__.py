"""The page about one run, or several."""
