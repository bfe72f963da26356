"""Terms of service, KYC and KYB (fact sheet "compliance-webhooks", B, C and D)."""

from __future__ import annotations

from tilia_async import event_names
from tilia_async.api import compliance
from tilia_async.json_value import JsonObject
from tilia_async.models.compliance import KycRequirements, KycState, PiiLevel
from tilia_async.sandbox.account_guards import account_of_body
from tilia_async.sandbox.fields import Fields
from tilia_async.sandbox.requests import Route, SandboxRequest
from tilia_async.sandbox.responses import SandboxResponse, Texts, bare, success
from tilia_async.sandbox.state.accounts import Kyc, SandboxAccount
from tilia_async.sandbox.world import World


def tos_status(call: SandboxRequest) -> SandboxResponse:
    # Inferred: an unknown account has signed nothing, since neither 400 nor 404 is documented.
    account = call.world.accounts.users.get(call.path["account_id"])
    return bare({"signed_tos": account is not None and account.signed_tos})


def kyc_status(call: SandboxRequest) -> SandboxResponse:
    return success(_to_json(account_of_body(call, call.path["account_id"])), texts=Texts.NULL)


def onboard_entity(call: SandboxRequest) -> SandboxResponse:
    fields = Fields(call.json())
    fields.required("entity_name", longest=255)
    address = fields.text("user_email")
    account = account_of_body(call, call.path["account_id"])
    if not address and account.email is None:
        fields.refuse("user_email", "is required for an account without an email address")
    fields.check()
    if not account.entity_id:
        account.entity_id = call.world.new_id("ent")
        call.world.notify(
            event_names.KYB,
            {
                "account_id": account.account_id,
                "entity_id": account.entity_id,
                "entity_status": "PROCESSING",
                # Deprecated, and always empty.
                "vendor_application_id": "",
                "custom_application_id": "",
            },
        )
    return success({"entity_id": account.entity_id, "vendor_response": {}}, texts=Texts.NULL)


def decide_kyc(world: World, account: SandboxAccount, state: str, pii_level: str | None) -> None:
    """Set a user's KYC status, and notify."""
    level = _LEVELS.get(state, PiiLevel.BASIC) if pii_level is None else pii_level
    account.kyc = Kyc(account.kyc.kyc_id or world.new_id("kyc"), state, str(level))
    world.notify(event_names.KYC, _to_json(account))


ROUTES = (
    Route(compliance.TOS_STATUS, tos_status),
    Route(compliance.KYC_STATUS, kyc_status),
    Route(compliance.ONBOARD_ENTITY, onboard_entity),
)

_LEVELS: dict[str, PiiLevel] = {KycState.ACCEPT: PiiLevel.FULL, KycState.NODATA: PiiLevel.NONE}


def _to_json(account: SandboxAccount) -> JsonObject:
    return {
        "account_id": account.account_id,
        "kyc_id": account.kyc.kyc_id,
        "kyc_requirements": KycRequirements.NONE if account.kyc.payable else KycRequirements.FULL_KYC,
        "match_checks": [],
        "pii_level": account.kyc.pii_level,
        "state": account.kyc.state,
    }
