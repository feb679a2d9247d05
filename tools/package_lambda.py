"""Build the Lambda zip as `chalice package` makes it, put compiled bytecode into it, and hold it to its size.

The task directory is read-only on Lambda, so without bytecode in the zip every cold start compiles every module again.
The bytecode is for the Python that runs this script, which is also the runtime that Chalice writes into the template.
"""

from __future__ import annotations

import compileall
import os
import py_compile
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE = Path("out/lambda")
ZIP_NAME = "deployment.zip"

MAX_ZIP_BYTES = 15 * 1024 * 1024

# The least that the format can say: equal input gives an equal zip, so that nothing is deployed when nothing changed.
EPOCH = (1980, 1, 1, 0, 0, 0)


def main() -> int:
    """Package, report, and answer 1 when the zip is too large."""
    print(f"Packaging the service into {PACKAGE} (needs the package index on the first run)")
    package_service()
    zip_path = PACKAGE / ZIP_NAME
    add_bytecode(zip_path)
    size_bytes = zip_path.stat().st_size
    print(f"{zip_path}: {size_bytes / 1024 / 1024:.1f} MB of at most {MAX_ZIP_BYTES // 1024 // 1024} MB")
    if size_bytes > MAX_ZIP_BYTES:
        print("The zip is too large: look for a heavy package in requirements.txt", file=sys.stderr)
        return 1
    return 0


def package_service() -> None:
    """Have Chalice write the zip and its template into `PACKAGE`.

    Raises:
        subprocess.CalledProcessError: Chalice said why.
    """
    # Packaging calls nothing on AWS, but Chalice does not start without a region.
    environment = {"AWS_DEFAULT_REGION": "us-east-1", **os.environ}
    chalice = Path(sys.executable).with_name("chalice")
    subprocess.run([chalice, "package", str(PACKAGE)], check=True, env=environment)


def add_bytecode(zip_path: Path) -> None:
    """Rewrite `zip_path` with a .pyc beside every module, in a fixed order and with fixed times."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        with zipfile.ZipFile(zip_path) as packed:
            packed.extractall(root)
        compileall.compile_dir(
            root,
            quiet=1,
            stripdir=folder,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
        with zipfile.ZipFile(zip_path, "w", zipfile.ZIP_DEFLATED) as packed:
            for path in sorted(root.rglob("*")):
                if path.is_file():
                    packed.writestr(_zip_entry(path, root), path.read_bytes())


def _zip_entry(path: Path, root: Path) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(path.relative_to(root).as_posix(), EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    # Readable by the user that Lambda runs as; libraries keep their right to be executed.
    entry.external_attr = (0o755 if path.suffix == ".so" else 0o644) << 16
    return entry


if __name__ == "__main__":
    sys.exit(main())
