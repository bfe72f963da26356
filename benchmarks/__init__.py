"""Measures what a call costs, beside other clients: ``nox -s bench``, or ``python -m benchmarks``."""
