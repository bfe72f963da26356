"""Checks of the declarations against Tilia itself."""

from tilia_async.verify.findings import Conformance, Fact, Finding
from tilia_async.verify.report import VerifyReport
from tilia_async.verify.run import verify

__all__ = ["Conformance", "Fact", "Finding", "VerifyReport", "verify"]
