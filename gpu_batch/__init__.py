"""The worker: `python -m gpu_batch` takes a work order, exits with a code, and never calls the API."""
