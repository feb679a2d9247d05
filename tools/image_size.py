"""Print what the packages of each image weigh as wheels: `make image-size`.

pip says which files it would install on the image's Python; nothing is installed, and only the sizes are asked for.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

from tools.dockerfile import instructions_of, parse
from tools.rootfs import DOCKERFILE, MB, ROOT

TARGETS = ("cpu", "gpu")
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
"""What Debian 12 takes."""
LARGEST = 6


def main() -> int:
    """Print a table for docs/image.md."""
    print("| target | wheels | MB | the largest, MB |")
    print("|---|---|---|---|")
    for target in TARGETS:
        sizes = wheel_sizes(target)
        largest = sorted(sizes.items(), key=lambda item: -item[1])[:LARGEST]
        listed = ", ".join(f"{name} {size_bytes / MB:.0f}" for name, size_bytes in largest)
        print(f"| `{target}` | {len(sizes)} | {sum(sizes.values()) / MB:.0f} | {listed} |")
    return 0


def wheel_sizes(target: str) -> dict[str, int]:
    """Bytes of each wheel of a target, by the name of its package."""
    stages = parse(DOCKERFILE.read_text(encoding="utf-8"))
    installs = [one.value for one in instructions_of(stages, target) if "pip install" in one.value]
    copied = [word for one in instructions_of(stages, target) if one.name == "COPY" for word in one.words]
    files = [ROOT / word for word in copied if word.startswith("requirements/")]
    if len(installs) != 1 or len(files) != 1:
        raise ValueError(f"target {target} must install one file of requirements but has {installs}")
    [version] = re.findall(r"^ARG PYTHON_VERSION=(\d+\.\d+)\.", DOCKERFILE.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: _size(url) for name, url in _urls(files[0], version).items()}


def _urls(requirements: Path, python: str) -> dict[str, str]:
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--report", "-", "--ignore-installed"]
    command += ["--require-hashes", "--only-binary", ":all:", "--python-version", python, "--target", "unused"]
    command += [word for platform in PLATFORMS for word in ("--platform", platform)]
    report = subprocess.run([*command, "-r", requirements], check=True, capture_output=True, text=True)
    found = json.loads(report.stdout)["install"]
    return {package["metadata"]["name"]: package["download_info"]["url"] for package in found}


def _size(url: str) -> int:
    with urllib.request.urlopen(urllib.request.Request(url, method="HEAD")) as answer:  # noqa: S310  pip gave it
        return int(answer.headers["Content-Length"])


if __name__ == "__main__":
    sys.exit(main())
