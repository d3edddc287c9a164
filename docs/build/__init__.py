"""What writes pages and pictures of the documentation from the code and from result files: `make docs`."""
