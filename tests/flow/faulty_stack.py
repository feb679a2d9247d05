"""`python -m infra.local`, whose workers a test can have killed: `python -m tests.flow.faulty_stack`."""

from __future__ import annotations

import os
import sys
from dataclasses import replace

from infra.local.__main__ import end, parse_arguments, run
from tests.flow.faulty_worker import FOLDER_VARIABLE

if __name__ == "__main__":
    command = (sys.executable, "-m", "tests.flow.faulty_worker")
    environment = {FOLDER_VARIABLE: os.environ[FOLDER_VARIABLE]}
    end(run(replace(parse_arguments(), worker_command=command, worker_environment=environment)))
