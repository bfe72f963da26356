"""Accounts, and what blocks them (fact sheet "guides", G3; fact sheet "accounts", B1 and C)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final, TypedDict

import attrs

from tilia_async.field_types import CountryCode, Text
from tilia_async.json_model import JsonModel
from tilia_async.json_value import JsonValue
from tilia_async.models.tags import Tag


class ExternalPlatform(StrEnum):
    """External platform of a user.

    A user may be known there instead of by e-mail.
    """

    STEAM = "steam"
    OCULUS = "oculus"
    APPLE = "apple"
    GOOGLE = "google"
    MICROSOFT = "microsoft"
    NINTENDO = "nintendo"
    SONY = "sony"


class AccountProfile(TypedDict, total=False):
    """Profile of a user, beside username and e-mail address.

    ``state_province`` and ``country_iso`` go together.
    """

    full_name: Text
    """Name of the person."""
    street_address_1: Text
    """First line of the address."""
    street_address_2: Text
    """Second line of the address."""
    street_address_3: Text
    """Third line of the address."""
    city: Text
    """City."""
    state_province: Text
    """State or province; together with ``country_iso``."""
    country_iso: CountryCode
    """Country, ISO 3166, two letters; together with ``state_province``."""
    zip_postal_code: Text
    """Postal code."""


@attrs.frozen(eq=False, repr=False)
class Account(JsonModel):
    """An account as ``user-info`` tells it."""

    account_id: str
    """Account, at most 36 characters."""
    username: str | None = None
    """Username; for many publishers an e-mail address."""
    email: str | None = attrs.field(default=None, repr=False)
    """E-mail address.

    None for users of external platforms; not in ``repr``. Elsewhere in the API it is an object.
    """
    is_blocked: bool | None = None
    """True while a block is in force, yours or Tilia's."""
    blocked_capabilities: Mapping[str, JsonValue] | None = attrs.field(default=None, hash=False)
    """Blocks by capability; their contents are not documented."""
    integrator: str | None = None
    """Publisher, i.e. you, by Tilia's name for you."""
    tags: tuple[Tag, ...] = ()
    """Tags that Tilia set."""
    created: datetime | None = None
    """Creation time, UTC.

    None where Tilia sends none or its zero time.
    """


@attrs.frozen(eq=False, repr=False)
class AccountEmail(JsonModel):
    """E-mail address of an account.

    With what Tilia knows about it.
    """

    address: str | None = attrs.field(default=None, repr=False)
    """E-mail address; not in ``repr``."""
    email_id: str | None = None
    """Id of the address at Tilia."""
    email_types: tuple[str, ...] = ()
    """Uses of the address, e.g. ``primary_contact``."""
    is_verified: bool | None = None
    """True once the user has confirmed the address."""


@attrs.frozen(eq=False, repr=False)
class PlatformUser(JsonModel):
    """A user's id on an external platform."""

    user_id: str | None = None
    """Id of the user on that platform."""


@attrs.frozen(eq=False, repr=False)
class RegisteredAccount(JsonModel):
    """An account as a registration tells it.

    Strings that are not set may be empty.
    """

    account_id: str
    """Account, at most 36 characters.

    New, or the one that was there.
    """
    username: str | None = None
    """Username, unique among your users."""
    email: AccountEmail | None = None
    """E-mail address, with what Tilia knows of it."""
    external_platforms: Mapping[str, PlatformUser] | None = attrs.field(default=None, hash=False)
    """Users on external platforms, by platform."""
    full_name: str | None = attrs.field(default=None, repr=False)
    """Name of the person; not in ``repr``."""
    street_address_1: str | None = attrs.field(default=None, repr=False)
    """First line of the address; not in ``repr``."""
    street_address_2: str | None = attrs.field(default=None, repr=False)
    """Second line of the address; not in ``repr``."""
    street_address_3: str | None = attrs.field(default=None, repr=False)
    """Third line of the address; not in ``repr``."""
    city: str | None = attrs.field(default=None, repr=False)
    """City; not in ``repr``."""
    state_province: str | None = attrs.field(default=None, repr=False)
    """State or province; not in ``repr``."""
    country_iso: str | None = None
    """Country, ISO 3166, two letters."""
    zip_postal_code: str | None = attrs.field(default=None, repr=False)
    """Postal code; not in ``repr``."""


@attrs.frozen(eq=False, repr=False)
class BlockStatus(JsonModel):
    """Block status of an account."""

    is_blocked: bool
    """True while a block is in force, yours or Tilia's."""


PUBLISHER: Final = "publisher"
"""Issuer of your own blocks, in Tilia's word (fact sheet "compliance-webhooks", A.4.1)."""

LOGIN: Final = "login"
"""Capability that covers all others."""


@attrs.frozen(eq=False, repr=False)
class Block(JsonModel):
    """Block that takes a capability from an account."""

    block_id: str | None = None
    """Block, ``blk_…``."""
    account_id: str | None = None
    """Blocked account."""
    capability: str | None = None
    """Capability that is taken away; ``login`` covers all others."""
    issuer: str | None = None
    """Issuer: ``publisher``, i.e. you, or a word of Tilia's own."""
    reason: str | None = None
    """Reason in Tilia's word, e.g. ``account_close``."""


@attrs.frozen(eq=False, repr=False)
class AccountBlocks(JsonModel):
    """The blocks of an account."""

    account_id: str
    """Account, at most 36 characters."""
    blocks: tuple[Block, ...] = ()
    """Blocks in force; empty if there are none."""

    @property
    def is_another_issuers(self) -> bool:
        """True if others keep the account from logging in.

        Others than the publisher.
        """
        logins = [block for block in self.blocks if block.capability in {None, "", LOGIN}]
        return bool(logins) and all(block.issuer not in {None, "", PUBLISHER} for block in logins)

    @staticmethod
    def _reshape(payload: JsonValue) -> JsonValue:
        """Return the blocks as a list.

        One comes as an object, although the page speaks of a list.
        """
        blocks = payload.get("blocks") if isinstance(payload, dict) else None
        if not isinstance(payload, dict) or not isinstance(blocks, dict):
            return payload
        is_one = not all(isinstance(value, dict) for value in blocks.values())
        return {**payload, "blocks": [blocks] if is_one else list(blocks.values())}
