"""Modules for one thing each: a function ``measure`` from a ``Stage`` to a ``Section``."""
