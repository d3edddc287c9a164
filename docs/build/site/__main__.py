"""`python -m docs.build.site [FOLDER]`: build the site, by default into site/; any warning is an error."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from docs.build.site.assemble import assemble


def build(out: Path) -> int:
    """Write the site to `out`; the exit code of Sphinx."""
    from sphinx.cmd.build import main

    with tempfile.TemporaryDirectory() as folder:
        assemble(Path(folder))
        return int(main(["-b", "html", "-q", "-W", "--keep-going", "-j", "2", folder, str(out)]))


if __name__ == "__main__":
    sys.exit(build(Path(sys.argv[1] if len(sys.argv) > 1 else "site")))
