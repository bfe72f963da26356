"""Reconciliation of writes that got no usable answer, without claiming more than is known."""

from tilia_async.reconcile.reconciliation import Reconciliation, Resource, Verdict

__all__ = ["Reconciliation", "Resource", "Verdict"]
