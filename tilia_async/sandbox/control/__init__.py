"""The sandbox's control API and its page, under ``/_sandbox/``."""
