"""Users' accounts: register, look up, block (fact sheet "guides", G3; fact sheet "accounts", B1 and C)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TypeVar, Unpack

import attrs

from tilia_async import checks
from tilia_async.config import RequestOptions, Service
from tilia_async.errors import AccountExistsError
from tilia_async.json_value import JsonInput
from tilia_async.ledger.calls import RecordedCall, reason_of, recorded_call
from tilia_async.ledger.intent import Intent
from tilia_async.ledger.ledger import BlockLedger
from tilia_async.ledger.record import BlockAction
from tilia_async.models.accounts import (
    PUBLISHER,
    Account,
    AccountBlocks,
    AccountProfile,
    BlockStatus,
    ExternalPlatform,
    RegisteredAccount,
)
from tilia_async.models.requests import (
    LONGEST_USERNAME,
    BlockCapabilityBody,
    FindQuery,
    MergeBody,
    NoFields,
    RegisterBody,
    UpdateBody,
)
from tilia_async.scopes import Scope
from tilia_async.secret import hide_body
from tilia_async.settings_checks import expect
from tilia_async.wire.operation import Evidence, Operation, Repeat, Said
from tilia_async.wire.refusal import refuse
from tilia_async.wire.sender import Sender

T = TypeVar("T")

REGISTER = Operation(
    "accounts.register",
    "POST",
    Service.ACCOUNTS,
    "/register",
    RegisteredAccount,
    scopes={Scope.WRITE_REGISTRATIONS},
    body=RegisterBody,
    repeat=Repeat.NEVER,
    reference=("username",),
    echoes={"username": "username"},
    conflict=RegisteredAccount,
)
GET = Operation(
    "accounts.get",
    "GET",
    Service.ACCOUNTS,
    "/v1/{account_id}/user-info",
    Account,
    other_paths=("/v1/user-info/{account_id}",),
    scopes={Scope.SEARCH_ACCOUNTS},
    repeat=Repeat.SAFE,
    echoes={"account_id": "account_id"},
)
FIND = Operation(
    "accounts.find",
    "GET",
    Service.ACCOUNTS,
    "/v1/user-info/search",
    Account,
    scopes={Scope.SEARCH_ACCOUNTS},
    query=FindQuery,
    repeat=Repeat.SAFE,
    echoes={"username": "username"},
)
IS_BLOCKED = Operation(
    "accounts.is_blocked",
    GET.method,
    GET.service,
    GET.path,
    BlockStatus,
    other_paths=GET.other_paths,
    scopes=GET.scopes,
    repeat=GET.repeat,
    echoes={"account_id": "account_id"},
)
BLOCK = Operation(
    "accounts.block",
    "POST",
    Service.ACCOUNTS,
    "/v1/{account_id}/user-info/block",
    BlockStatus,
    other_paths=("/v1/user-info/{account_id}/block",),
    scopes={Scope.BLOCK_ACCOUNTS},
    body=NoFields,
    repeat=Repeat.SAFE,
    echoes={"account_id": "account_id"},
    denials={"is_blocked": {False}, "blocks": {()}},
)
UNBLOCK = Operation(
    "accounts.unblock",
    "POST",
    Service.ACCOUNTS,
    "/v1/{account_id}/user-info/unblock",
    BlockStatus,
    other_paths=("/v1/user-info/{account_id}/unblock",),
    scopes={Scope.UNBLOCK_ACCOUNTS},
    body=NoFields,
    repeat=Repeat.SAFE,
    echoes={"account_id": "account_id"},
    denials={"is_blocked": {True}, "blocked_capabilities.login": {Said.ANYTHING}, "blocks.issuer": {PUBLISHER}},
)
UPDATE = Operation(
    "accounts.update",
    "PUT",
    Service.ACCOUNTS,
    "/user-info/{account_id}",
    RegisteredAccount,
    scopes={Scope.CHANGE_ACCOUNTS},
    body=UpdateBody,
    # It may add payment methods for external platforms, and nobody says that a second time adds none.
    repeat=Repeat.NEVER,
    reference=("account_id",),
    echoes={"account_id": "account_id"},
    evidence=Evidence(
        {"scope", "answer"}, "the page hides both; the scope by its name, the answer after that of a registration"
    ),
)
BLOCK_CAPABILITY = Operation(
    "accounts.block_capability",
    "POST",
    Service.ACCOUNTS,
    "/v2/block",
    AccountBlocks,
    scopes={Scope.BLOCK_ACCOUNTS},
    body=BlockCapabilityBody,
    repeat=Repeat.SAFE,
    envelope=False,
    reference=("account_id", "block_capability"),
    echoes={"account_id": "account_id", "block_capability": "blocks.capability"},
    denials={"blocks": {()}, "is_another_issuers": {True}},
    essential={"blocks"},
    evidence=Evidence({"scope"}, "the page hides the scope; that of the older block is expected"),
)
GET_BLOCKS = Operation(
    "accounts.get_blocks",
    "GET",
    Service.ACCOUNTS,
    "/v2/block/{account_id}",
    AccountBlocks,
    scopes={Scope.READ_ACCOUNTS},
    repeat=Repeat.SAFE,
    envelope=False,
    echoes={"account_id": "account_id"},
    essential={"blocks"},
)
MERGE = Operation(
    "accounts.merge",
    "POST",
    Service.ACCOUNTS,
    "/v2/merge-accounts",
    type(None),
    scopes={Scope.CHANGE_ACCOUNTS},
    body=MergeBody,
    repeat=Repeat.NEVER,
    reference=("source_account_id", "destination_account_id"),
    echoes={name: name for name in ("source_account_id", "destination_account_id")},
    evidence=Evidence({"scope"}, "the page hides the scope; change_accounts by its name"),
)


@attrs.frozen(eq=False)
class Accounts:
    """``tilia.accounts``: register users, look them up, block and unblock them."""

    _sender: Sender
    _ledger: BlockLedger | None = None

    async def register(
        self,
        username: str,
        email: str | None = None,
        external_platforms: Mapping[str, str | Mapping[str, str]] | None = None,
        *,
        options: RequestOptions | None = None,
        **profile: Unpack[AccountProfile],
    ) -> RegisteredAccount:
        """Register a user in one step.

        The account's wallets appear a moment later.

        For example::

            account = await tilia.accounts.register("nyx", email="nyx@mail.example")
            print(account.account_id)

        Args:
            username: unique, 1 to 64 characters; it need not be an e-mail address.
            email: the user's address; give it or ``external_platforms``, not both.
            external_platforms: user ids by platform, e.g. ``{"steam": "76561197960287930"}``; Tilia's own form
                ``{"steam": {"user_id": "76561197960287930"}}`` will do as well.
            profile: name and address, see ``AccountProfile``.

        Raises:
            InvalidRequestError: a field breaks one of these rules.
            AccountExistsError: the username is taken; ``.account`` is the account that has it, if Tilia says so.

        Source: fact sheet "accounts", B1 (operationId RegisterAccountHandler); scope ``write_registrations``.
        """
        platforms = _user_ids(REGISTER.name, external_platforms)
        refuse(
            REGISTER.name,
            {
                "username": checks.text(username, longest=LONGEST_USERNAME),
                "email": _one_of(email, platforms) or ([] if email is None else checks.email_address(email)),
                "external_platforms": _platforms(platforms),
                **_profile_problems(profile),
            },
        )
        body: dict[str, JsonInput] = {"username": username}
        if profile:
            body |= _profile_fields(profile)
        if email is not None:
            body["email"] = {"address": email}
        else:
            body["external_platforms"] = {name: {"user_id": user_id} for name, user_id in platforms.items()}
        return await self._sender.value(REGISTER, body=body, options=options)

    async def get(self, account_id: str, *, options: RequestOptions | None = None) -> Account:
        """Look an account up by its id.

        For example::

            account = await tilia.accounts.get(account_id)
            print(account.username, account.is_blocked)

        Args:
            account_id: at most 36 characters.

        Raises:
            InvalidRequestError: the id cannot be one.
            NotFoundError: there is no such account.

        Source: fact sheet "guides", G3; fact sheet "accounts", C1 (operationId getUserInfo); scope ``search_accounts``.
        """
        return await self._sender.value(GET, path={"account_id": account_id}, options=options)

    async def find(self, username: str, *, options: RequestOptions | None = None) -> Account:
        """Look an account up by its username.

        For example::

            account = await tilia.accounts.find("ada")
            print(account.account_id)

        Args:
            username: the whole name, 1 to 254 characters.

        Raises:
            InvalidRequestError: the name cannot be one.
            NotFoundError: nobody has that name.

        Source: fact sheet "accounts", C2 (operationId searchUserInfo); scope ``search_accounts``.
        """
        refuse(FIND.name, {"username": checks.text(username, longest=254)})
        return await self._sender.value(FIND, query={"username": username}, options=options)

    async def block(
        self,
        account_id: str,
        reason: str | None = None,
        actor: str | None = None,
        *,
        review_at: datetime | None = None,
        options: RequestOptions | None = None,
    ) -> BlockStatus:
        """Block an account until it is unblocked.

        No transactions, no Tilia pages. A block does not expire.

        For example::

            status = await tilia.accounts.block(account_id, reason="chargeback fraud", actor="ops@acme.example")
            print(status.is_blocked)

        Args:
            account_id: at most 36 characters.
            reason: why, for the client's ledger. Tilia takes no reason and keeps none.
            actor: who blocks, for the ledger.
            review_at: when somebody should look at the block again, with a time zone; for the ledger.

        Raises:
            InvalidRequestError: the id cannot be one.
            NotFoundError: there is no such account.
            LedgerError: the client has a ledger, and it cannot be written; nothing was sent.

        Source: fact sheet "guides", G3; fact sheet "accounts", C4 (operationId blockAccount); scope ``block_accounts``.
        """
        intent = Intent(BlockAction.BLOCK, reason, actor, review_at)
        return await self._change(BLOCK, intent, account_id, options=options)

    async def unblock(
        self,
        account_id: str,
        reason: str | None = None,
        actor: str | None = None,
        *,
        options: RequestOptions | None = None,
    ) -> BlockStatus:
        """Lift a block of your own.

        Your agreement with Tilia decides whether you may.

        For example::

            status = await tilia.accounts.unblock(blocked_id, reason="mistaken identity")
            print(status.is_blocked)

        Args:
            account_id: at most 36 characters.
            reason: why, for the client's ledger. Tilia takes no reason and keeps none.
            actor: who unblocks, for the ledger.

        Raises:
            InvalidRequestError: the id cannot be one.
            MissingScopeError: the credentials have no ``unblock_accounts``.
            ForbiddenError: Tilia placed the block; only Tilia can lift it.
            ApiError: there is no such account; Tilia documents no status for it.
            LedgerError: the client has a ledger, and it cannot be written; nothing was sent.

        Source: fact sheet "guides", G3; fact sheet "accounts", C5; scope ``unblock_accounts``. The status of a refusal
        is inferred.
        """
        return await self._change(UNBLOCK, Intent(BlockAction.UNBLOCK, reason, actor), account_id, options=options)

    async def is_blocked(self, account_id: str, *, options: RequestOptions | None = None) -> bool:
        """Return True if you or Tilia blocked the account.

        For example::

            if await tilia.accounts.is_blocked(account_id):
                print("no entry")

        Args:
            account_id: at most 36 characters.

        Raises:
            InvalidRequestError: the id cannot be one.
            NotFoundError: there is no such account.
            ResponseDecodeError: Tilia's answer does not say.

        Source: fact sheet "guides", G3, "Detecting blocked accounts"; scope ``search_accounts``.
        """
        status = await self._sender.value(IS_BLOCKED, path={"account_id": account_id}, options=options)
        return status.is_blocked

    async def get_or_register(
        self,
        username: str,
        email: str | None = None,
        external_platforms: Mapping[str, str | Mapping[str, str]] | None = None,
        *,
        options: RequestOptions | None = None,
        **profile: Unpack[AccountProfile],
    ) -> RegisteredAccount:
        """Register a user, or get the account of that name.

        Nothing is changed of an account that has the name already.

        For example::

            account = await tilia.accounts.get_or_register("ada", email="ada@mail.example")
            print(account.account_id)

        Args:
            username: unique, 1 to 64 characters; it need not be an e-mail address.
            email: the user's address; give it or ``external_platforms``, not both.
            external_platforms: user ids by platform.
            profile: name and address, see ``AccountProfile``.

        Raises:
            InvalidRequestError: a field breaks one of these rules.
            AccountExistsError: the name is taken, and Tilia does not say by which account.

        Source: fact sheet "accounts", B1: the 409 carries the account that is there; scope ``write_registrations``.
        """
        try:
            return await self.register(username, email, external_platforms, options=options, **profile)
        except AccountExistsError as error:
            if error.account is None:
                raise
            return error.account

    async def update(
        self,
        account_id: str,
        email: str | None = None,
        external_platforms: Mapping[str, str | Mapping[str, str]] | None = None,
        *,
        options: RequestOptions | None = None,
        **profile: Unpack[AccountProfile],
    ) -> RegisteredAccount:
        """Change what Tilia keeps of a user.

        What is not given stays as it is.

        For example::

            account = await tilia.accounts.update(account_id, email="nyx@acme.example", city="Oslo")
            print(account.account_id)

        Args:
            account_id: at most 36 characters.
            email: the new address.
            external_platforms: user ids by platform; payment methods are added for them.
            profile: name and address, see ``AccountProfile``.

        Raises:
            InvalidRequestError: a field breaks one of these rules, or nothing would change.
            NotFoundError: there is no such account.

        Source: fact sheet "accounts", C3 (operationId UpdateAccountHandler); scope ``change_accounts`` is inferred.
        """
        platforms = _user_ids(UPDATE.name, external_platforms)
        nothing = email is None and not platforms and not profile
        refuse(
            UPDATE.name,
            {
                "account_id": ["would stay as it is; give something to change"] if nothing else [],
                "email": [] if email is None else checks.email_address(email),
                "external_platforms": _platforms(platforms),
                **_profile_problems(profile),
            },
        )
        body: dict[str, JsonInput] = _profile_fields(profile)
        if email is not None:
            body["email"] = {"address": email}
        if platforms:
            body["external_platforms"] = {name: {"user_id": user_id} for name, user_id in platforms.items()}
        return await self._sender.value(UPDATE, path={"account_id": account_id}, body=body, options=options)

    async def block_capability(
        self,
        account_id: str,
        capability: str = "login",
        reason: str = "account_close",
        note: str | None = None,
        *,
        options: RequestOptions | None = None,
    ) -> AccountBlocks:
        """Keep an account from something, in the newer way.

        Tilia documents one capability and one reason.

        In a ledger it is a block like any other. Its record's reason is made of all three, e.g.
        ``account_close (capability login): asked for by mail``.

        For example::

            blocks = await tilia.accounts.block_capability(account_id, note="closed on request")
            print([(block.capability, block.reason) for block in blocks.blocks])

        Args:
            account_id: at most 36 characters.
            capability: ``login``, which covers all others.
            reason: ``account_close``.
            note: a text of yours.

        Raises:
            InvalidRequestError: a field breaks one of these rules.
            BadRequestError: Tilia refuses.
            LedgerError: the client has a ledger, and it cannot be written; nothing was sent.

        Source: fact sheet "accounts", C6 (operationId BlockAccount); scope ``block_accounts`` is inferred.
        """
        refuse(
            BLOCK_CAPABILITY.name,
            {
                "account_id": checks.identifier(account_id),
                "capability": checks.text(capability),
                "reason": checks.text(reason),
                "note": [] if note is None else checks.text(note, shortest=0),
            },
        )
        body: dict[str, JsonInput] = {
            "account_id": account_id,
            "block_capability": capability,
            "block_reason": reason,
        }
        if note is not None:
            body["note"] = note
        intent = Intent(BlockAction.BLOCK, reason_of(hide_body(body)))
        return await self._change(BLOCK_CAPABILITY, intent, account_id, body=body, options=options)

    async def get_blocks(self, account_id: str, *, options: RequestOptions | None = None) -> AccountBlocks:
        """List what an account is kept from, and by whom.

        For example::

            for block in (await tilia.accounts.get_blocks(blocked_id)).blocks:
                print(block.capability, block.reason, block.issuer)

        Args:
            account_id: at most 36 characters.

        Raises:
            InvalidRequestError: the id cannot be one.
            ApiError: there is no such account; Tilia documents no status for it.

        Source: fact sheet "accounts", C8 (operationId GetAccountBlocks); scope ``read_accounts``.
        """
        return await self._sender.value(GET_BLOCKS, path={"account_id": account_id}, options=options)

    async def merge(
        self,
        source_account_id: str,
        destination_account_id: str,
        *,
        options: RequestOptions | None = None,
    ) -> None:
        """Merge an account into another, and close it.

        Its tokens move to the other account. It is closed for good.

        For example::

            await tilia.accounts.merge(account_id, other_id)
            print((await tilia.wallets.balances(other_id)).balances)

        Args:
            source_account_id: the one that is closed, at most 36 characters.
            destination_account_id: the one that remains.

        Raises:
            InvalidRequestError: an id cannot be one, or both are the same.
            BadRequestError: Tilia refuses.

        Source: fact sheet "accounts", C9 (operationId MergeAccounts); scope ``change_accounts`` is inferred.
        """
        same = ["is the source as well"] if source_account_id == destination_account_id else []
        refuse(
            MERGE.name,
            {
                "source_account_id": checks.identifier(source_account_id),
                "destination_account_id": checks.identifier(destination_account_id) or same,
            },
        )
        body = {"source_account_id": source_account_id, "destination_account_id": destination_account_id}
        await self._sender.value(MERGE, body=body, options=options)

    async def _change(
        self,
        operation: Operation[T],
        intent: Intent,
        account_id: str,
        *,
        body: Mapping[str, JsonInput] | None = None,
        options: RequestOptions | None,
    ) -> T:
        """Block or unblock, on record if there is a ledger."""
        refuse(operation.name, {"account_id": checks.identifier(account_id), **intent.problems()})
        path = {"account_id": account_id} if operation.parameters else None

        if self._ledger is None:
            return await self._sender.value(operation, path=path, body=body, options=options)
        expect("options", options, RequestOptions, type(None), operation=operation.name)
        recorded = RecordedCall(operation.name, intent, account_id, self._sender.timeout, options)
        with self._sender.under_way(operation.name) as sender:

            async def send(chosen: RequestOptions) -> T:
                return await sender.value(operation, path=path, body=body, options=chosen)

            return await recorded_call(self._ledger, recorded, send)


def _user_ids(operation: str, platforms: Mapping[str, str | Mapping[str, str]] | None) -> dict[str, str]:
    if platforms is None:
        return {}
    refuse(operation, {"external_platforms": checks.mapping(platforms)})
    return {name: _user_id(user) for name, user in platforms.items()}


def _user_id(user: str | Mapping[str, str]) -> str:
    return user.get("user_id", "") if isinstance(user, Mapping) else user


def _one_of(email: object, platforms: Mapping[str, str]) -> list[str]:
    if email is None and not platforms:
        return ["is missing; give it or external_platforms"]
    if email is not None and platforms:
        return ["cannot be given together with external_platforms"]
    return []


def _platforms(platforms: Mapping[str, str]) -> list[str]:
    if not platforms:
        return []
    problems = [
        f"has no platform {name!r}; known are {', '.join(ExternalPlatform)}"
        for name in platforms
        if name not in _PLATFORM_NAMES
    ]
    problems += [f"{name}: {why}" for name, user_id in platforms.items() for why in checks.text(user_id)]
    return problems


_PLATFORM_NAMES = frozenset(platform.value for platform in ExternalPlatform)


def _profile_problems(profile: AccountProfile) -> dict[str, list[str]]:
    if not profile:
        return {}
    names = AccountProfile.__optional_keys__
    problems = {
        field: checks.text(value, shortest=0)
        if field in names
        else [f"is no field; known are {', '.join(sorted(names))}"]
        for field, value in profile.items()
    }
    country = profile.get("country_iso")
    if (country is None) != (profile.get("state_province") is None):
        missing = "country_iso" if country is None else "state_province"
        problems[missing] = ["is missing; state_province and country_iso go together"]
    elif isinstance(country, str) and (reasons := checks.country(country)):
        problems["country_iso"] = reasons
    return problems


def _profile_fields(profile: AccountProfile) -> dict[str, JsonInput]:
    return {field: checks.plain(value) for field, value in profile.items() if isinstance(value, str)}
