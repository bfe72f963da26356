"""Hooks into calls and bulk jobs, and their log lines."""

from tilia_async.observe import log_lines
from tilia_async.observe.observer import ObservedAttempt, ObservedCall, ObservedJob, Observer

__all__ = ["ObservedAttempt", "ObservedCall", "ObservedJob", "Observer"]

log_lines.set_up_from_environment()
