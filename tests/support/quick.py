"""Attempts that follow each other without a wait."""

from tilia_async import RetryPolicy

QUICK = RetryPolicy(initial=0, maximum=0)
