"""``tilia`` is a client of each package in turn."""

from support.both_packages import make, tilia

__all__ = ["make", "tilia"]
