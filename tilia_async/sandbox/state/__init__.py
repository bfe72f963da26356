"""The state of the sandbox, in small parts.

People, wallets and the money in them, payment methods, and transactions.

No part of it knows HTTP. ``tilia_async.sandbox.world`` puts them together.
"""
