"""Blocks, in the older and the newer way, and merging (fact sheet "accounts", C4 to C9).

Both ways keep the same blocks: what one sets, the other tells and lifts.
"""

from __future__ import annotations

from tilia_async.api import accounts
from tilia_async.json_value import JsonObject
from tilia_async.sandbox import messages
from tilia_async.sandbox.account_guards import account_of_body, account_of_path, refuse_blocked
from tilia_async.sandbox.fields import Fields
from tilia_async.sandbox.requests import ErrorResponse, Route, SandboxRequest
from tilia_async.sandbox.responses import SandboxResponse, bare, error, invalid, success, without_payload
from tilia_async.sandbox.state.accounts import ACCOUNT_CLOSE, LOGIN, PUBLISHER, TILIA, Block, SandboxAccount
from tilia_async.sandbox.state.wallets import STANDARD, Movement, SandboxWallet
from tilia_async.sandbox.world import World

_TAG_RESOURCE = "lindenaccounts.accounts_v2.account_id"


def block(call: SandboxRequest) -> SandboxResponse:
    # Inferred: its reason, the only documented one, since the older way takes none.
    block_account(call.world, account_of_path(call), PUBLISHER)
    return success({"is_blocked": True}, texts=call.texts())


def unblock(call: SandboxRequest) -> SandboxResponse:
    account = account_of_path(call)
    if TILIA in account.blocks:
        # Seed 002 says that it is never permitted; status and text are inferred.
        return error(403, "not permitted to unblock this account")
    lifted = account.blocks.pop(PUBLISHER, None)
    if lifted is not None:
        call.world.notify(*messages.block_changed(account, lifted))
    return success({"is_blocked": False})


def block_capability(call: SandboxRequest) -> SandboxResponse:
    fields = Fields(call.json())
    account_id = fields.required("account_id")
    for name, only in (("block_capability", LOGIN), ("block_reason", ACCOUNT_CLOSE)):
        if fields.text(name) != only:
            fields.refuse(name, f"must be {only}")
    note = fields.text("note")
    fields.check()
    account = account_of_body(call, account_id)
    block_account(call.world, account, PUBLISHER, note)
    return bare(messages.blocks(account, account.blocks[PUBLISHER]))


def get_blocks(call: SandboxRequest) -> SandboxResponse:
    account = account_of_body(call, call.path["account_id"])
    return bare(messages.blocks(account, _foremost(account)))


def merge(call: SandboxRequest) -> SandboxResponse:
    fields = Fields(call.json())
    ids = [fields.required(name) for name in ("source_account_id", "destination_account_id")]
    if ids[0] == ids[1]:
        fields.refuse("destination_account_id", "must be another account")
    fields.check()
    source = account_of_body(call, ids[0], "source_account_id")
    destination = account_of_body(call, ids[1], "destination_account_id")
    refuse_blocked(call, ids)
    world = call.world
    world.wallets.move(
        Movement(wallet, _same_kind(world, wallet, destination), wallet.balance)
        for wallet in world.wallets.of(source.account_id)
        if wallet.currency == world.settings.token_currency
    )
    for account, other, name in ((source, destination, "merged_to"), (destination, source, "merged_from")):
        account.tags.append(world.new_tag("acttag", other.account_id, _TAG_RESOURCE, "account_merge", name))
    # Inferred: a closed account is one that Tilia has blocked, so the publisher cannot open it again.
    block_account(world, source, TILIA)
    return without_payload()


def block_account(world: World, account: SandboxAccount, issuer: str, note: str = "") -> None:
    """Block an account and notify.

    A second block of one issuer changes nothing.
    """
    if issuer not in account.blocks:
        world.notify(*messages.block_changed(account, world.block(account, issuer, note)))


def capabilities(account: SandboxAccount) -> JsonObject:
    """Return ``blocked_capabilities`` of user-info.

    What stands in it for a blocked account is inferred.
    """
    return {LOGIN: True} if account.is_blocked else {}


ROUTES = (
    Route(accounts.BLOCK, block),
    Route(accounts.UNBLOCK, unblock),
    Route(accounts.BLOCK_CAPABILITY, block_capability),
    Route(accounts.GET_BLOCKS, get_blocks),
    Route(accounts.MERGE, merge),
)


def _foremost(account: SandboxAccount) -> Block | None:
    """Return the block that an answer has room for.

    It has room for one; inferred: Tilia's, which weighs more.
    """
    return account.blocks.get(TILIA) or account.blocks.get(PUBLISHER)


def _same_kind(world: World, wallet: SandboxWallet, heir: SandboxAccount) -> SandboxWallet:
    """Return the wallet that takes a wallet's tokens.

    Inferred: from wallets of the publisher's own types to the standard wallet.
    """
    for kind in (wallet.kind, STANDARD):
        found = world.wallet_of_kind(heir.account_id, kind, wallet.currency)
        if found is not None:
            return found
    raise ErrorResponse(invalid({"destination_account_id": ["has no token wallet"]}))
