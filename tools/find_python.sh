#!/bin/sh
# Print the newest of Python 3.13, 3.12 and 3.11 that really starts and can make virtual environments.
#
# A name on the PATH proves nothing: pyenv's shims exist for versions that are not selected, and fail. So each candidate
# is started, the interpreters that pyenv keeps included. PYTHON=/path/to/python decides instead of the search.
set -u

works() { # works COMMAND MINOR: it starts, is 3.MINOR, and has venv with pip
    "$1" -c "import ensurepip, sys, venv; sys.exit(sys.version_info[:2] != (3, $2))" >/dev/null 2>&1
}

if [ -n "${PYTHON:-}" ]; then
    "$PYTHON" -c "import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))" >/dev/null 2>&1 &&
        echo "$PYTHON" && exit 0
    echo "PYTHON=$PYTHON does not start, is not 3.11 to 3.13, or has no venv module" >&2
    exit 1
fi

pyenv_versions=${PYENV_ROOT:-$(pyenv root 2>/dev/null || echo "$HOME/.pyenv")}/versions
for minor in 13 12 11; do
    for candidate in "python3.$minor" python3 python "$pyenv_versions"/3."$minor".*/bin/python; do
        if works "$candidate" "$minor"; then
            command -v "$candidate"
            exit 0
        fi
    done
done

cat >&2 <<'END'
No Python 3.11, 3.12 or 3.13 with the venv module starts on this machine. Install one, for example
    Debian, Ubuntu:  sudo apt-get install python3 python3-venv
    macOS:           brew install python@3.13
or name yours:       make setup PYTHON=/path/to/python3.13
END
exit 1
