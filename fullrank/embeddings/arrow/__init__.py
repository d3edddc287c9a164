"""What is in an Arrow file, by its heads alone."""
