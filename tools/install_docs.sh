#!/bin/sh
# Make the environment that builds the site of docs/: what it needs is none of the project's business otherwise.
set -eu
cd "$(dirname "$0")/.."
folder=.cache/docs/venv

# uv does not read pip's settings, so it is told where pip's index is.
index=$(.venv/bin/python -m pip config get global.index-url 2>/dev/null || true)
index=${PIP_INDEX_URL:-$index}
[ -z "$index" ] || export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$index}"

echo "Installing requirements/docs.txt into $folder"
.venv/bin/uv venv --quiet --clear --python "$(.venv/bin/python -c 'import sys; print(sys._base_executable)')" "$folder"
.venv/bin/uv pip install --quiet --no-deps --require-hashes --python "$folder/bin/python" -r requirements/docs.txt
