"""A comparison as a page, as text, as JUnit XML."""
