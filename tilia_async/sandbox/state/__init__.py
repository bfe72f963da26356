"""What the sandbox knows, in small parts: people, wallets and the money in them, payment methods, and transactions.

No part of it knows HTTP. ``tilia_async.sandbox.world`` puts them together.
"""
