"""Level 7: one file per command; its first line is what `fullrank --help` says."""
