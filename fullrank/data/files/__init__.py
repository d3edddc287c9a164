"""Folders and lists of image files: found, understood, looked at."""
