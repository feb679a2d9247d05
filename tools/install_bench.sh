#!/bin/sh
# Make an environment of the benchmarks' peers: install_bench.sh venv, or install_bench.sh venv-ultralytics.
#
# --no-deps: the compiled files name every package; ultralytics also wants the OpenCV with windows, whose module is the same.
set -eu
cd "$(dirname "$0")/.."
name=$1
folder=.cache/bench/$name
case "$name" in
venv) requirements=requirements/bench.txt ;;
venv-ultralytics) requirements=requirements/bench-ultralytics.txt ;;
*)
    echo "An environment must be venv or venv-ultralytics but got $name" >&2
    exit 1
    ;;
esac

# uv does not read pip's settings, so it is told where pip's index is.
index=$(.venv/bin/python -m pip config get global.index-url 2>/dev/null || true)
index=${PIP_INDEX_URL:-$index}
[ -z "$index" ] || export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$index}"

echo "Installing $requirements into $folder"
.venv/bin/uv venv --quiet --clear --python "$(.venv/bin/python -c 'import sys; print(sys._base_executable)')" "$folder"
.venv/bin/uv pip install --quiet --no-deps --require-hashes --python "$folder/bin/python" -r "$requirements"
