"""The site of the documentation: hand-written pages and a reference from the code, built by Sphinx: `make site`."""
