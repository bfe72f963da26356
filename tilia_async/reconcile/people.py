"""How writes to accounts are looked up."""

from __future__ import annotations

from tilia_async.api.accounts import AccountBlocks, Accounts
from tilia_async.errors import NotFoundError
from tilia_async.reconcile.looking import Looking
from tilia_async.reconcile.reconciliation import Verdict
from tilia_async.reconcile.sought import Finding, Sought, matched


async def registered(look: Looking, sought: Sought) -> Finding:
    """The account that has the name."""
    username = sought.needed("username")
    try:
        account = await Accounts(look.caller).find(username, options=look.options)
    except NotFoundError:
        return Finding(Verdict.NOT_SEEN, "nobody has that username")
    return matched(sought, "account", [(account, account.created)])


async def completed(look: Looking, sought: Sought) -> Finding:
    if "username" in sought.reference:
        return await registered(look, sought)
    why = "a registration cannot be looked up; reference={'username': …} looks for its account"
    return Finding(Verdict.CANNOT_BE_KNOWN, why)


async def merged(look: Looking, sought: Sought) -> Finding:
    source, destination = sought.needed("source_account_id"), sought.needed("destination_account_id")
    account = await Accounts(look.caller).get(source, options=look.options)
    merged_to = [tag.resource_id for tag in account.tags if tag.tag == "merged_to"]
    if destination in merged_to:
        return Finding(Verdict.TOOK_EFFECT, "the source is tagged as merged into the destination", account)
    if merged_to:
        why = "the source is tagged as merged, and not into the destination"
        return Finding(Verdict.CANNOT_BE_KNOWN, why, candidates=(account,))
    return Finding(Verdict.NOT_SEEN, "the source is not tagged as merged")


async def blocked(look: Looking, sought: Sought) -> Finding:
    blocks, issuers = await _issuers(look, sought)
    if "publisher" in issuers:
        return Finding(Verdict.TOOK_EFFECT, "the account is blocked by the publisher", blocks)
    if issuers:
        why = f"the account is blocked by {', '.join(issuers)}, which may hide a block of yours; block it again"
        return Finding(Verdict.CANNOT_BE_KNOWN, why, candidates=(blocks,))
    return Finding(Verdict.NOT_SEEN, "the account is not blocked; it may be blocked again, as often as you like")


async def unblocked(look: Looking, sought: Sought) -> Finding:
    blocks, issuers = await _issuers(look, sought)
    if not issuers:
        return Finding(Verdict.TOOK_EFFECT, "the account is not blocked", blocks)
    if "publisher" in issuers:
        return Finding(Verdict.NOT_SEEN, "the account is blocked by the publisher; it may be unblocked again", blocks)
    why = f"the account is blocked by {', '.join(issuers)}, which may hide a block of yours; unblock it again"
    return Finding(Verdict.CANNOT_BE_KNOWN, why, candidates=(blocks,))


async def _issuers(look: Looking, sought: Sought) -> tuple[AccountBlocks, list[str]]:
    account_id = sought.needed("account_id")
    blocks = await Accounts(look.caller).get_blocks(account_id, options=look.options)
    return blocks, [block.issuer or "nobody knows whom" for block in blocks.blocks]
