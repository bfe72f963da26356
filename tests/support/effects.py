"""The contents of a sandbox, comparable.

Told without ids and times, so that two sandboxes can be compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tilia_async.sandbox import Sandbox


def state_of(sandbox: Sandbox) -> Counter[tuple[object, ...]]:
    """Return everything that an operation can change.

    Each thing as often as it is there.
    """
    return Counter(_things(sandbox))


def _things(sandbox: Sandbox) -> Iterator[tuple[object, ...]]:
    world = sandbox._world
    names = {account.account_id: account.username for account in world.accounts.users.values()}
    for account in world.accounts.users.values():
        yield "account", account.username, account.email, account.entity_id, tuple(sorted(account.profile.items()))
        yield from (("block", account.username, block.issuer) for block in account.blocks.values())
        yield from (("tag", account.username, tag.tag) for tag in account.tags)
    yield from (("registration", started.username) for started in world.accounts.registrations.values())
    for wallet in world.wallets.by_id.values():
        # The publisher's wallets are opened when they are first needed, which is not an effect.
        if wallet.account_id in names or wallet.balance:
            yield "wallet", names.get(wallet.account_id), wallet.kind, wallet.currency, wallet.balance
    for account_id, username in names.items():
        for method in world.methods.of(account_id):
            yield "method", username, method.method_class, method.display_string, tuple(sorted(method.tags))
    for invoice in world.invoices.by_id.values():
        yield (
            "invoice",
            names.get(invoice.account_id),
            invoice.type,
            invoice.state,
            invoice.total,
            invoice.reference.reference_id,
        )
    yield from (("refunded", invoice.refunded) for invoice in world.invoices.by_id.values() if invoice.refunded)
    yield from (("exchange", each.direction, each.status, each.paid) for each in world.exchanges.values())
    yield from (("authorized", each.used) for each in world.authorized.values())
    yield from (("escrow", each.status, each.escrow_invoice.total) for each in world.escrows.values())
    yield from (("payout", each.status, each.amount) for each in world.payouts.values())
    yield from (("nonce", names.get(account_id)) for account_id in world.nonces.values())
