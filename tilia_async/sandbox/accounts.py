"""``/register`` and ``/user-info`` of the service ``accounts`` (fact sheet "accounts", B1 and C; seed 002)."""

from __future__ import annotations

from tilia_async.api import accounts
from tilia_async.json_value import JsonObject, JsonValue
from tilia_async.sandbox import messages
from tilia_async.sandbox.answers import Answer, error, failure, invalid, not_found, success
from tilia_async.sandbox.calls import Call, Refused, Route
from tilia_async.sandbox.world import PUBLISHER, TILIA, SandboxAccount

INTEGRATOR = "sandbox"
_PROFILE = (
    "full_name",
    "street_address_1",
    "street_address_2",
    "street_address_3",
    "city",
    "state_province",
    "country_iso",
    "zip_postal_code",
)


def register(call: Call) -> Answer:
    fields = call.json()
    email, platforms = fields.get("email"), fields.get("external_platforms")
    username = fields.get("username")
    problems: dict[str, list[str]] = {}
    if not isinstance(username, str) or not 0 < len(username) <= accounts.LONGEST_USERNAME:
        problems["username"] = ["must be a string of 1 to 64 characters"]
    if (email is None) == (not platforms):
        problems["email"] = ["exactly one of email and external_platforms must be given"]
    address = email.get("address") if isinstance(email, dict) else None
    if email is not None and (not isinstance(address, str) or "@" not in address):
        problems["email.address"] = ["must be a valid email address"]
    if bool(fields.get("state_province")) != bool(fields.get("country_iso")):
        problems["country_iso"] = ["state_province and country_iso must be given together"]
    if problems or not isinstance(username, str):
        return invalid(problems)
    known = call.world.find(username)
    if known is not None:
        # The answer to a name that is taken carries the account that has it, although it says Failure.
        return failure(409, _registered(known))
    account = call.world.create_account(
        username,
        address if isinstance(address, str) else None,
        external_platforms=_platform_ids(platforms),
        profile={field: str(fields[field]) for field in _PROFILE if fields.get(field)},
    )
    return success(_registered(account))


def get(call: Call) -> Answer:
    return success(_told(_account(call)), nulls=call.nulls())


def find(call: Call) -> Answer:
    username = call.query.get("username")
    if not username:
        return invalid({"username": ["is required"]})
    account = call.world.find(username)
    return not_found("account") if account is None else success(_told(account), nulls=call.nulls())


def block(call: Call) -> Answer:
    account = _account(call)
    call.world.block(account, PUBLISHER)
    return success({"is_blocked": True}, nulls=call.nulls())


def unblock(call: Call) -> Answer:
    account = _account(call)
    if account.blocked_by == TILIA:
        # Seed 002 says that it is never permitted; status and text are inferred.
        return error(403, "not permitted to unblock this account")
    call.world.unblock(account)
    return success({"is_blocked": False})


ROUTES = (
    Route(accounts.REGISTER, register),
    Route(accounts.GET, get, ("/v1/user-info/{account_id}",)),
    Route(accounts.FIND, find),
    Route(accounts.BLOCK, block, ("/v1/user-info/{account_id}/block",)),
    Route(accounts.UNBLOCK, unblock, ("/v1/user-info/{account_id}/unblock",)),
)


def _account(call: Call) -> SandboxAccount:
    account = call.world.accounts.get(call.path["account_id"])
    if account is None:
        raise Refused(not_found("account"))
    return account


def _platform_ids(platforms: JsonValue) -> dict[str, str]:
    named = platforms if isinstance(platforms, dict) else {}
    return {name: str(user["user_id"]) for name, user in named.items() if isinstance(user, dict) and "user_id" in user}


def _told(account: SandboxAccount) -> JsonObject:
    blocked: JsonObject = {"login": True} if account.is_blocked else {}
    return {
        "account_id": account.account_id,
        "username": account.username,
        # A string here, an object in the answer to a registration.
        "email": account.email or "",
        "is_blocked": account.is_blocked,
        "blocked_capabilities": blocked,
        "integrator": INTEGRATOR,
        "tags": [],
        "created": account.created,
    }


def _registered(account: SandboxAccount) -> JsonObject:
    profile: JsonObject = {field: account.profile.get(field, "") for field in _PROFILE}
    return {
        "account_id": account.account_id,
        "username": account.username,
        "password": "",
        "user_id": "",
        "email": messages.email(account),
        "external_platforms": messages.platforms(account),
        "first_name": "",
        "last_name": "",
        **profile,
    }
