"""The worker: `python -m gpu_batch` takes a work order, exits with a code, and never calls the API."""

import os

# Libraries read these when they are imported, which is after this.
# Unless it is told not to, onnxruntime tells Microsoft which models run: by a thread, and a database in the home
# folder.
# Source: the package's Privacy.md; on Linux since 1.29.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
# The worker has a thread for every core. OpenBLAS would start as many again, and what it is asked for here is small.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
