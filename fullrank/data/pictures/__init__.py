"""Folders and lists of picture files: found, understood, looked at."""
