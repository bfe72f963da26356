"""Look-ups of writes to accounts.

Other workers of a publisher may do the same to an account, so a state that is reached does not tell by whom.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from tilia_async.api.accounts import Accounts
from tilia_async.errors import NotFoundError
from tilia_async.json_model import reshaping
from tilia_async.json_value import JsonValue
from tilia_async.models.accounts import AccountBlocks, Block
from tilia_async.reconcile.lookup_context import LookupContext
from tilia_async.reconcile.reconciliation import Verdict
from tilia_async.reconcile.search import Finding, Search, proves_nothing, unknown
from tilia_async.reconcile.server_clock import Age
from tilia_async.text import readable
from tilia_async.wire.codec import decode, read_time

_PUBLISHER: Final = "publisher"
_EVERYTHING: Final = "login"
"""The capability that covers all others."""


async def registered(look: LookupContext, sought: Search) -> Finding:
    return await _named(look, sought, dates=True)


async def _named(look: LookupContext, sought: Search, *, dates: bool) -> Finding:
    """Look for the account that has the name.

    Args:
        dates: its time is that of the write.
    """
    username = sought.needed("username")
    try:
        account = await Accounts(look.caller).find(username, options=look.options)
    except NotFoundError as error:
        # A gateway may answer JSON as well, but not with a code like INVOICE_NOT_FOUND (fact sheet "money", 0.4).
        if not error.structured or not any(code.endswith("NOT_FOUND") for code in error.codes):
            return proves_nothing("the look-up got a 404 that is not Tilia's")
        why = "nobody has that username, as far as this look-up knows; register again: a name that is taken is refused"
        return Finding(Verdict.NOT_SEEN, why)
    if account.username is not None and account.username.casefold() != username.casefold():
        return proves_nothing(f"the answer is about the username {readable(account.username)!r}")
    if dates and sought.clock.age(account.created, sought.since) is Age.BEFORE:
        return Finding(Verdict.NOT_SEEN, "the account that has the username was there before the call began", account)
    why = "an account has that username, by this call or another's; accounts.get_or_register gets it"
    return unknown(why, account, done=True)


async def completed(look: LookupContext, sought: Search) -> Finding:
    if "username" in sought.reference:
        # It may be as old as the registration's begin, which may be long ago.
        return await _named(look, sought, dates=False)
    return unknown("a registration cannot be looked up; reference={'username': …} looks for its account")


async def merged(look: LookupContext, sought: Search) -> Finding:
    source, destination = sought.needed("source_account_id"), sought.needed("destination_account_id")
    account = await Accounts(look.caller).get(source, options=look.options)
    if account.account_id != source:
        return unknown("the answer is about another account than the source: look before you merge again", account)
    payload = look.payload
    tags = payload.get("tags") if isinstance(payload, dict) else None
    # An older answer has no tags (fact sheet "accounts", C1), and one that cannot be read is left out of the model.
    if not isinstance(tags, list | dict) or len(tags) != len(account.tags):
        return unknown("the answer does not tell the account's tags: look at it before you merge again", account)
    merged_to = [tag.resource_id for tag in account.tags if tag.tag == "merged_to"]
    if destination in merged_to:
        why = "the source is tagged as merged into the destination, by this call or another's, so do not merge it again"
        return unknown(why, account, done=True)
    if merged_to:
        why = "the source is tagged as merged, and not into the destination: look at it before you merge again"
        return unknown(why, account)
    if account.is_blocked:
        why = (
            "the source is not tagged as merged, but blocked, as a merger leaves it: look at it before you merge again"
        )
        return unknown(why, account)
    return Finding(Verdict.NOT_SEEN, "the source is not tagged as merged", account)


async def blocked(look: LookupContext, sought: Search) -> Finding:
    blocks, strange = await _blocks(look, sought)
    if strange:
        return strange
    capability = sought.reference.get("block_capability", _EVERYTHING)
    if any(_is_from_publisher(block) and block.capability in {capability, _EVERYTHING} for block in blocks.blocks):
        why = "the account is blocked by the publisher, by this call or another's; to block it again changes nothing"
        return unknown(why, blocks, done=True)
    if blocks.blocks:
        why = f"there is a block of {_list_of(blocks)}, which is not the one asked for, or may hide it"
        return unknown(f"{why}; block the account again, as often as you like", blocks)
    why = "the account is not blocked; it may be blocked again, as often as you like"
    return Finding(Verdict.NOT_SEEN, why, blocks)


async def unblocked(look: LookupContext, sought: Search) -> Finding:
    blocks, strange = await _blocks(look, sought)
    if strange:
        return strange
    if not blocks.blocks:
        why = "the account is not blocked, by this call or another's; to unblock it again changes nothing"
        return unknown(why, blocks, done=True)
    capability = sought.reference.get("block_capability", _EVERYTHING)
    own = [
        made_at
        for block, made_at in _with_times(look.payload)
        if _is_from_publisher(block) and block.capability == capability
    ]
    if any(made_at is None or sought.clock.age(made_at, sought.since) is Age.BEFORE for made_at in own):
        why = "the account is blocked by the publisher; it may be unblocked again, as often as you like"
        return Finding(Verdict.NOT_SEEN, why, blocks)
    if own:
        why = "the publisher's block may be made after the call, by another; unblock it again only if it should go"
        return unknown(why, blocks)
    why = f"there is a block of {_list_of(blocks)}, which is not the one to be lifted, or may hide it"
    return unknown(f"{why}; unblock it again", blocks)


def _with_times(payload: JsonValue) -> Iterator[tuple[Block, datetime | None]]:
    """Yield the blocks of an answer, with times.

    Each with the time it was made if the answer tells that.
    """
    reshape = reshaping(AccountBlocks)
    shaped = payload if reshape is None else reshape(payload)
    listed = shaped.get("blocks") if isinstance(shaped, dict) else None
    for entry in listed if isinstance(listed, list) else []:
        if isinstance(entry, dict):
            yield decode(entry, Block), read_time(entry.get("created"))


def _is_from_publisher(block: Block) -> bool:
    return block.issuer == _PUBLISHER


def _list_of(blocks: AccountBlocks) -> str:
    return ", ".join(
        f"{readable(block.capability or 'nobody knows what')} by {readable(block.issuer or 'nobody knows whom')}"
        for block in blocks.blocks
    )


async def _blocks(look: LookupContext, sought: Search) -> tuple[AccountBlocks, Finding | None]:
    account_id = sought.needed("account_id")
    blocks = await Accounts(look.caller).get_blocks(account_id, options=look.options)
    for answered in (blocks.account_id, *(block.account_id for block in blocks.blocks)):
        if strange := sought.elsewhere(account_id=answered):
            return blocks, strange
    payload = look.payload
    listed = payload.get("blocks") if isinstance(payload, dict) else None
    # A block that cannot be read is left out of the model.
    if not isinstance(listed, list | dict) or bool(listed) != bool(blocks.blocks):
        return blocks, proves_nothing("the answer does not tell the blocks")
    return blocks, None
