"""A diagnosis as a page, as text, as JUnit XML."""
