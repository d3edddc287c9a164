"""One file per command; its first line is what `fullrank --help` says."""
