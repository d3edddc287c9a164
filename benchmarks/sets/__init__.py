"""Labeled images out of packages of Debian, PyPI and npm, built by one command; none of them is part of FullRank."""
