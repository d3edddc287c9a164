"""The documentation; its generators are in `build`."""
