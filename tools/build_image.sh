#!/bin/sh
# Build one target of gpu_batch/Dockerfile, where there is Docker.
set -eu
cd "$(dirname "$0")/.."
target=${1:-cpu}

if ! docker info > /dev/null 2>&1; then
    echo "No image was built: there is no Docker on this machine, or its daemon does not run." >&2
    echo "make rootfs TARGET=$target assembles the image's file system without it, and make test-image runs that." >&2
    exit 1
fi
# The older builder does not know gpu_batch/Dockerfile.dockerignore, and would send everything.
DOCKER_BUILDKIT=1 docker build -f gpu_batch/Dockerfile --target "$target" -t "reelscan-worker:$target" .
docker image inspect --format '{{.Size}}' "reelscan-worker:$target" |
    awk -v target="$target" '{ printf "reelscan-worker:%s: %.0f MB\n", target, $1 / 1000000 }'
