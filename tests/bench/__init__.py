"""Benchmarks: ratios within one run, never asserted. `make bench`, or `python -m tests.bench append view`."""
