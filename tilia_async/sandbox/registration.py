"""The registration in two steps (fact sheet "guides", G2; fact sheet "accounts", B2 and B3)."""

from __future__ import annotations

from tilia_async.api import registration
from tilia_async.json_value import JsonObject, JsonValue
from tilia_async.sandbox import messages
from tilia_async.sandbox.requests import Route, SandboxRequest
from tilia_async.sandbox.responses import SandboxResponse, Texts, invalid, not_found, success
from tilia_async.sandbox.state.accounts import StartedRegistration

_LONGEST = 254


def start(call: SandboxRequest) -> SandboxResponse:
    fields = call.json()
    problems = _problems(fields)
    username = fields.get("username")
    if not problems and isinstance(username, str) and call.world.accounts.named(username) is not None:
        problems["username"] = ["username is already in use"]
    if problems:
        return invalid(problems)
    started = StartedRegistration(
        call.world.new_uuid(),
        str(fields["username"]),
        str(fields["email"]),
        str(fields.get("tracking_id") or ""),
        str(fields.get("metadata") or ""),
    )
    call.world.accounts.registrations[started.registration_id] = started
    return success({"registration_id": started.registration_id}, status=201, texts=Texts.NULL)


def complete(call: SandboxRequest) -> SandboxResponse:
    started = call.world.accounts.registrations.pop(call.path["registration_id"], None)
    if started is None:
        # Inferred, like all of this step's failures.
        return not_found("registration_id")
    if call.world.accounts.named(started.username) is not None:
        return invalid({"username": ["username is already in use"]})
    account = call.world.create_account(
        started.username, started.email, tracking_id=started.tracking_id, metadata=started.metadata
    )
    call.world.notify(*messages.registered(account))
    return success(
        {
            "account_id": account.account_id,
            "autologin_id": call.world.new_uuid(),
            "metadata": started.metadata,
            "tracking_id": started.tracking_id,
        }
    )


ROUTES = (Route(registration.START, start), Route(registration.COMPLETE, complete))


def _problems(fields: JsonObject) -> dict[str, list[str]]:
    problems: dict[str, list[str]] = {}
    for field in ("username", "email"):
        if not _is_address(fields.get(field)):
            problems[field] = [f"must be an email address of at most {_LONGEST} characters"]
    password = fields.get("password")
    if not isinstance(password, str) or not _is_password(password, fields):
        problems["password"] = ["does not meet the requirements"]
    return problems


def _is_address(value: JsonValue) -> bool:
    if not isinstance(value, str) or len(value) > _LONGEST:
        return False
    local, _, domain = value.rpartition("@")
    return bool(local and "." in domain)


def _is_password(password: str, fields: JsonObject) -> bool:
    names = (str(fields.get(field) or "") for field in ("username", "email"))
    return (
        6 <= len(password) <= 16
        and any(character.isalpha() for character in password)
        and any(not character.isalpha() for character in password)
        and not any(name and name.lower() in password.lower() for name in names)
    )
