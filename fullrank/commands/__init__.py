"""What the verbs diagnose and compare do; the maths is in `diagnosis`, the words in `report`."""
