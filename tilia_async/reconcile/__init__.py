"""What became of a write that got no usable answer: asks Tilia, and claims no more than it can know."""

from tilia_async.reconcile.reconciliation import Reconciliation, Resource, Verdict

__all__ = ["Reconciliation", "Resource", "Verdict"]
