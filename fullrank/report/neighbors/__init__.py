"""The page of nearest images."""
