"""The page about a finished encoder on labels: scores, the course of the epochs, confusions, spectra."""
