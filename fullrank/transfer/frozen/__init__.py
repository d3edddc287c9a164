"""What is measured of a frozen encoder: neighbors, heads on features, the test set on the sphere."""
