"""Benchmarks: the worker beside the limits of the machine and the loops that others write; no part of the product."""
