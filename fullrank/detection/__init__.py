"""Object detection and instance segmentation on an encoder: annotations in, average precision out. Loads no torch."""
