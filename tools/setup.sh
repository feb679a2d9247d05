#!/bin/sh
# Make .venv and install everything that development, tests, the demo and the local stack need into it.
#
# Safe to repeat: an environment that starts is kept and brought up to date, a broken one is made again.
# requirements/*.txt are pinned and hashed: what is installed is what was tested, or nothing.
set -eu
cd "$(dirname "$0")/.."
python=.venv/bin/python
log=.venv/setup.log

fail() {
    echo "" >&2
    echo "Set-up failed: $1" >&2
    exit 1
}

if ! "$python" -c "import pip" >/dev/null 2>&1; then
    interpreter=$(sh tools/find_python.sh) || fail "no usable Python (see above)"
    echo "Making .venv with $interpreter ($("$interpreter" --version))"
    rm -rf .venv
    "$interpreter" -m venv .venv || fail "'$interpreter -m venv .venv' did not work (see above); on Debian install python3-venv"
fi

# uv installs in seconds what takes pip minutes. It does not read pip's settings, so it is told where pip's index is.
index=$("$python" -m pip config get global.index-url 2>/dev/null || true)
index=${PIP_INDEX_URL:-$index}
[ -z "$index" ] || export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$index}"

# requirements/dev.txt is complete, and leaves out on purpose what would overwrite another package (see
# tools/compile_requirements.sh): so nothing is resolved here.
install_with_uv() {
    "$python" -m pip install -qq --disable-pip-version-check --require-hashes -r requirements/setup.txt &&
        .venv/bin/uv pip install --quiet --python "$python" --no-deps --require-hashes -r requirements/dev.txt
}

install_with_pip() {
    "$python" -m pip install -qq --disable-pip-version-check --no-deps --require-hashes -r requirements/dev.txt
}

echo "Installing requirements/dev.txt into .venv (about 400 MB to download: seconds to a minute)"
if ! install_with_uv >"$log" 2>&1; then
    echo "The fast installer (uv) did not get through (its words: $log); using pip, which takes a few minutes"
    install_with_pip || fail "the packages could not be installed (see above). Is the package index reachable? Then: make setup"
fi

# The SDK and the command line, as they lie in client/: built with the setuptools that is here, so nothing is downloaded.
"$python" -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --no-index --editable client ||
    fail "client/ could not be installed (see above)"
