"""`python -m fullrank`."""

from __future__ import annotations

import sys

from fullrank.cli import main

if __name__ == "__main__":
    sys.exit(main())
