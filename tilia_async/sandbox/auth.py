"""``/authorize/user`` of the service ``auth`` (fact sheet "accounts", A2)."""

from __future__ import annotations

from tilia_async.api import auth
from tilia_async.sandbox.fields import Fields
from tilia_async.sandbox.requests import Route, SandboxRequest
from tilia_async.sandbox.responses import SandboxResponse, blocked, not_found, success
from tilia_async.sandbox.state.accounts import INTEGRATOR

_GO_ZERO_TIME = "0001-01-01T00:00:00Z"


def authorize_user(call: SandboxRequest) -> SandboxResponse:
    fields = Fields(call.json())
    account_id, flow = fields.text("account_id"), fields.text("flow") or "kyc"
    account = call.world.accounts.users.get(account_id)
    if account is None:
        # Not documented; Tilia's Node SDK has seen it on staging.
        return not_found("account")
    if account.is_blocked:
        return blocked(account_id)
    nonce = call.world.new_uuid()
    call.world.nonces[nonce] = account_id
    if fields.value("return_token") is True:
        token: dict[str, str] = {
            "access_token": f"user.{call.world.new_uuid()}",
            "token_type": "Bearer",
            "refresh_token": call.world.new_uuid(),
            "expiry": _GO_ZERO_TIME,
        }
        return success({"nonce_auth_id": nonce, "token": {**token}})
    if fields.value("mechanism") == "tilia_hosted":
        url = f"https://pub.staging.tilia-inc.com/{INTEGRATOR}/{flow}/{nonce}"
        return success({"nonce_auth_id": nonce, "redirect": url})
    return success({"redirect": f"https://web.staging.tilia-inc.com/ui/appauth/{nonce}"})


ROUTES = (Route(auth.CREATE_REDIRECT, authorize_user),)
