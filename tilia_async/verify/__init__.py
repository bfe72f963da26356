"""Checks of the declarations against Tilia itself."""

from tilia_async.verify.findings import Fact, Finding, Verdict
from tilia_async.verify.report import VerifyReport
from tilia_async.verify.run import verify

__all__ = ["Fact", "Finding", "Verdict", "VerifyReport", "verify"]
