"""Augmented views of images: distributions, drawn parameters, and pixels."""
