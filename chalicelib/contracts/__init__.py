"""What crosses a process border between the service and the worker: standard library only."""
