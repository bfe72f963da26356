"""``/register`` and ``/user-info`` of the service ``accounts`` (fact sheet "accounts", B1 and C1 to C3)."""

from __future__ import annotations

from tilia_async.api import accounts
from tilia_async.json_value import JsonObject, JsonValue
from tilia_async.models.accounts import AccountProfile, ExternalPlatform
from tilia_async.models.requests import LONGEST_USERNAME
from tilia_async.sandbox import messages
from tilia_async.sandbox.account_guards import account_of_path
from tilia_async.sandbox.blocks import capabilities
from tilia_async.sandbox.fields import Fields
from tilia_async.sandbox.payment_methods import add_pobo, notify
from tilia_async.sandbox.requests import Route, SandboxRequest
from tilia_async.sandbox.responses import SandboxResponse, failure, invalid, not_found, success
from tilia_async.sandbox.state.accounts import INTEGRATOR, SandboxAccount, Tag

_PROFILE = tuple(AccountProfile.__annotations__)


_PLATFORMS = frozenset(platform.value for platform in ExternalPlatform)


def register(call: SandboxRequest) -> SandboxResponse:
    fields = Fields(call.json())
    username = fields.text("username")
    if not 0 < len(username) <= LONGEST_USERNAME:
        fields.refuse("username", "must be a string of 1 to 64 characters")
    address, platforms, profile = _address(fields), _platforms(fields), _profile(fields)
    if ("email" in fields) == bool(platforms):
        fields.refuse("email", "exactly one of email and external_platforms must be given")
    fields.check()
    known = call.world.accounts.named(username)
    if known is not None:
        # The answer to a name that is taken carries the account that has it, although it says Failure.
        return failure(409, _registered(known))
    account = call.world.create_account(username, address, external_platforms=platforms, profile=profile)
    for platform, user_id in platforms.items():
        notify(call.world, add_pobo(call.world, account, platform, user_id))
    call.world.notify(*messages.registered(account))
    return success(_registered(account))


def update(call: SandboxRequest) -> SandboxResponse:
    account = account_of_path(call)
    fields = Fields(call.json())
    address, platforms, profile = _address(fields), _platforms(fields), _profile(fields)
    fields.check()
    if address is not None:
        account.email = address
    account.profile |= profile
    for platform, user_id in platforms.items():
        if platform not in account.external_platforms:
            notify(call.world, add_pobo(call.world, account, platform, user_id))
        account.external_platforms[platform] = user_id
    # Inferred: the documented sample is cut off before the answer.
    return success(_registered(account), texts=call.texts())


def get(call: SandboxRequest) -> SandboxResponse:
    return success(_to_json(account_of_path(call)), texts=call.texts())


def find(call: SandboxRequest) -> SandboxResponse:
    username = call.query.get("username")
    if not username:
        return invalid({"username": ["is required"]})
    account = call.world.accounts.named(username)
    return not_found("account") if account is None else success(_to_json(account), texts=call.texts())


ROUTES = (
    Route(accounts.REGISTER, register),
    Route(accounts.UPDATE, update),
    Route(accounts.GET, get),
    Route(accounts.FIND, find),
)


def _address(fields: Fields) -> str | None:
    email = fields.value("email")
    if email is None:
        return None
    address = email.get("address") if isinstance(email, dict) else None
    if not isinstance(address, str) or "@" not in address:
        fields.refuse("email.address", "must be a valid email address")
        return None
    return address


def _platforms(fields: Fields) -> dict[str, str]:
    value = fields.value("external_platforms")
    if value is not None and not isinstance(value, dict):
        fields.refuse("external_platforms", "must be an object")
    found: dict[str, str] = {}
    for name, user in value.items() if isinstance(value, dict) else ():
        user_id = user.get("user_id") if isinstance(user, dict) else None
        if name not in _PLATFORMS or not isinstance(user_id, str) or not user_id:
            fields.refuse(f"external_platforms.{name}", "must be a known platform with a user_id")
        else:
            found[name] = user_id
    return found


def _profile(fields: Fields) -> dict[str, str]:
    if bool(fields.value("state_province")) != bool(fields.value("country_iso")):
        fields.refuse("country_iso", "state_province and country_iso must be given together")
    return {field: text for field in _PROFILE if (text := fields.text(field))}


def _to_json(account: SandboxAccount) -> JsonObject:
    return {
        "account_id": account.account_id,
        "username": account.username,
        # A string here, an object in the answer to a registration.
        "email": account.email or "",
        "is_blocked": account.is_blocked,
        "blocked_capabilities": capabilities(account),
        "integrator": INTEGRATOR,
        "tags": [_tag(account, tag) for tag in account.tags],
        "created": account.created,
    }


def _tag(account: SandboxAccount, tag: Tag) -> JsonValue:
    return {"account_id": account.account_id, **tag.to_json()}


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
