"""Reconciliation of writes without a usable answer.

Without claiming more than is known.
"""

from tilia_async.reconcile.reconciliation import Reconciliation, Resource, Verdict

__all__ = ["Reconciliation", "Resource", "Verdict"]
