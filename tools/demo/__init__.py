"""The demo: what `make demo` runs, over the SDK alone."""
