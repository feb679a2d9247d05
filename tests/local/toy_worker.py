"""A worker that runs the code of its first argument, as `python -c` does: `python -m tests.local.toy_worker CODE …`."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    del sys.argv[0]
    exec(sys.argv[0], {"__name__": "__main__"})
