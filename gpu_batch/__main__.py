"""`python -m gpu_batch`."""

from gpu_batch.main import run

run()
