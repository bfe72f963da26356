"""The services, mirrored from ``tilia_async.api``.

There is one module per noun of Tilia's API.
"""

from tilia_async.api import OPERATIONS

__all__ = ["OPERATIONS"]
