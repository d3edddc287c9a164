"""The page about a detector."""
