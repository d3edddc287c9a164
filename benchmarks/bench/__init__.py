"""The bench: every recipe with its defaults, at equal CPU-seconds, on images that fit into memory."""
