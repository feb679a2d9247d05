#!/bin/sh
# Compile every requirements/*.in to a pinned, hashed file that installs on Python 3.11 to 3.13.
#
# dev comes first and constrains the others, so that what is tested is what is shipped.
# Pass --upgrade to take the newest versions instead of keeping the pinned ones.
set -eu
cd "$(dirname "$0")/.."
uv=${UV:-.venv/bin/uv}

compile() { # compile INPUT OUTPUT PYTHON [OPTION…]
    input=$1 output=$2 python=$3
    shift 3
    echo "Compiling $input to $output"
    "$uv" pip compile --quiet --universal --python-version "$python" --generate-hashes --no-annotate \
        --custom-compile-command "make requirements" --output-file "$output" "$@" "$input"
}

# The headless build of OpenCV, which worker.in names, has the same module: two would overwrite each other.
compile requirements/dev.in requirements/dev.txt 3.11 --no-emit-package opencv-python "$@"
compile requirements/setup.in requirements/setup.txt 3.11 "$@"
compile requirements/lambda.in requirements.txt 3.11 --constraints requirements/dev.txt "$@"
compile requirements/worker.in requirements/worker.txt 3.11 --constraints requirements/dev.txt "$@"
compile requirements/worker-gpu.in requirements/worker-gpu.txt 3.12 --constraints requirements/dev.txt "$@"
compile requirements/worker-tensorrt-build.in requirements/worker-tensorrt-build.txt 3.12 "$@"
# Its dependencies, of which there are none, could be asked only by building it.
compile requirements/worker-tensorrt.in requirements/worker-tensorrt.txt 3.12 --no-deps "$@"
compile requirements/infra.in requirements/infra.txt 3.11 --constraints requirements/dev.txt "$@"
compile requirements/demo-video.in requirements/demo-video.txt 3.11 --no-deps "$@"
compile requirements/docs.in requirements/docs.txt 3.11 "$@"
compile requirements/bench.in requirements/bench.txt 3.11 --constraints requirements/dev.txt "$@"
compile requirements/bench-ultralytics.in requirements/bench-ultralytics.txt 3.11 --constraints requirements/dev.txt \
    --no-emit-package opencv-python "$@"
