"""Measurements: `python -m benchmarks.step` and so on, `make bench` for all.

Each prints a table and writes results/benchmarks/<name>.csv.
"""
