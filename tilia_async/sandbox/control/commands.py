"""The control API's requests, one function each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import islice
from typing import Final, Literal, TypeAlias, TypeVar, cast

import attrs

from tilia_async import event_names
from tilia_async.errors import InvalidRequestError
from tilia_async.json_value import JsonObject, JsonValue
from tilia_async.models.compliance import KycState
from tilia_async.models.payment_methods import PaymentMethodState
from tilia_async.money import Money
from tilia_async.openapi import document
from tilia_async.sandbox import payouts
from tilia_async.sandbox.control import state_json
from tilia_async.sandbox.control.body import Body
from tilia_async.sandbox.event_feed import RESET
from tilia_async.sandbox.faults import OTHER_BODY, Fault
from tilia_async.sandbox.notifications import Notifier
from tilia_async.sandbox.recorded import RecordedRequest
from tilia_async.sandbox.request_handler import RequestHandler
from tilia_async.sandbox.request_json import details
from tilia_async.sandbox.routing import KNOWN_OPERATIONS
from tilia_async.sandbox.simulation import Simulation
from tilia_async.sandbox.world import World
from tilia_async.version import __version__

T = TypeVar("T")

_MOST_LISTED: Final = 1_000


@attrs.frozen
class Command:
    """A request to the control API, understood.

    Attributes:
        url: where the sandbox is reached, without a slash at its end.
    """

    simulation: Simulation
    handler: RequestHandler
    notifier: Notifier
    url: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Body

    @property
    def world(self) -> World:
        return self.handler.world

    def number(self, name: str, default: int, most: int | None = None) -> int:
        """Return a whole number of the query.

        It is at least 0.

        Raises:
            InvalidRequestError: it is none.
        """
        text = self.query.get(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdigit() and len(text) <= 15):
            raise InvalidRequestError({name: ["is a whole number of at least 0"]})
        return int(text) if most is None else min(int(text), most)

    def page(self, name: str, things: Sequence[T], show: Callable[[T], JsonObject]) -> JsonObject:
        """Return a part of a list, the newest things first."""
        offset, limit = self.number("offset", 0), self.number("limit", 100, _MOST_LISTED)
        shown: list[JsonValue] = [show(each) for each in islice(reversed(things), offset, offset + limit)]
        return {"total": len(things), name: shown}


Run: TypeAlias = Callable[[Command], JsonValue | Awaitable[JsonValue]]


def about(call: Command) -> JsonObject:
    return {
        "version": __version__,
        "url": call.url,
        "environment": f"{call.url}/{{service}}",
        "client_id": call.simulation.client_id,
        "publisher_account_id": call.simulation.publisher_account_id,
        "token_currency": call.world.settings.token_currency,
        "operations": [*sorted(KNOWN_OPERATIONS.names)],
        "faults": [fault.name.lower() for fault in Fault],
        "event_names": [*sorted(event_names.ALL)],
        **clock(call),
    }


def credentials(call: Command) -> JsonObject:
    return {"client_id": call.simulation.client_id, "client_secret": call.simulation.client_secret}


def requests(call: Command) -> JsonObject:
    """List requests with a number above ``after``, oldest first.

    Without it the last ones. ``operation`` chooses those of one operation.
    """
    limit, operation = call.number("limit", 100, _MOST_LISTED), call.query.get("operation")
    found: Sequence[RecordedRequest] = call.handler.log.requests
    if operation is not None:
        found = [each for each in found if each.operation == operation]
    if "after" in call.query:
        after = call.number("after", 0)
        found = list(islice((each for each in found if each.number > after), limit))
    else:
        found = found[max(0, len(found) - limit) :]
    return {"last_event": call.handler.log.feed.last, "requests": [details(each) for each in found]}


def request(call: Command) -> JsonObject:
    number = call.path["number"]
    return details(call.handler.log.find(int(number) if number.isascii() and number.isdigit() else 0))


def forget_requests(call: Command) -> JsonObject:
    call.handler.log.clear()
    call.handler.log.feed.publish(RESET, {})
    return {}


def accounts(call: Command) -> JsonObject:
    """List accounts, the newest first.

    ``search`` chooses those whose id, name or address holds a text.
    """
    text = call.query.get("search", "").casefold()
    found = list(call.simulation.accounts.values())
    if text:
        found = [each for each in found if text in f"{each.account_id}\n{each.username}\n{each.email}".casefold()]
    return call.page("accounts", found, lambda each: state_json.account_to_json(call.world, each))


def account(call: Command) -> JsonObject:
    return _account(call, call.path["account_id"])


def add_account(call: Command) -> JsonObject:
    username, email = call.body.text("username"), call.body.optional_text("email")
    call.body.check()
    return _account(call, call.simulation.add_account(username, email))


def block_as_tilia(call: Command) -> JsonObject:
    call.simulation.block_as_tilia(call.path["account_id"])
    return account(call)


def add_payment_method(call: Command) -> JsonObject:
    account_id, kind = call.body.text("account_id"), call.body.text("kind", "card")
    currency, state = call.body.text("currency", "USD"), call.body.text("state", PaymentMethodState.ACTIVE)
    call.body.check()
    # Another kind is refused by the method itself, in its words.
    chosen = cast("Literal['card', 'paypal']", kind)
    return {"id": call.simulation.add_payment_method(account_id, chosen, currency=currency, state=state)}


def set_kyc(call: Command) -> JsonObject:
    account_id, state = call.body.text("account_id"), call.body.text("state", KycState.ACCEPT)
    pii_level = call.body.optional_text("pii_level")
    call.body.check()
    call.simulation.set_kyc(account_id, state, pii_level)
    return _account(call, account_id)


def sign_tos(call: Command) -> JsonObject:
    account_id = call.body.text("account_id")
    call.body.check()
    call.simulation.sign_tos(account_id)
    return _account(call, account_id)


def fund(call: Command) -> JsonObject:
    account_id, currency = call.body.text("account_id"), call.body.text("currency")
    amount, wallet = call.body.whole("amount"), call.body.optional_text("wallet")
    call.body.check()
    call.simulation.fund(account_id, Money(amount, currency), wallet)
    return {"wallets": state_json.wallets_to_json(call.world.wallets.of(account_id))}


def faults(call: Command) -> JsonObject:
    return {"faults": [state_json.fault_to_json(each) for each in call.simulation.faults.scheduled]}


def add_fault(call: Command) -> JsonObject:
    body = call.body
    operation, fault = body.text("operation"), body.text("fault")
    times = None if body.is_null("times") else body.whole("times", 1)
    seconds, retry_after = body.optional_number("seconds"), body.text("retry_after", "1")
    status, text = body.whole("status", 408), body.text("body", OTHER_BODY)
    body.check()
    call.simulation.faults.add(
        operation, fault, times, seconds=seconds, retry_after=retry_after, status=status, body=text
    )
    return faults(call)


def clear_faults(call: Command) -> JsonObject:
    call.simulation.faults.clear()
    return faults(call)


def openapi(call: Command) -> JsonObject:
    return document(f"{call.url}/{{service}}")


def clock(call: Command) -> JsonObject:
    return {"now": call.world.times.rfc3339(), "ahead": call.world.clock.ahead}


def advance_clock(call: Command) -> JsonObject:
    seconds = call.body.number("seconds")
    call.body.check()
    call.simulation.clock.advance(seconds)
    # What goes on by itself is told now, and not with the next request.
    payouts.settle(call.world)
    return clock(call)


def webhooks(call: Command) -> JsonObject:
    return {
        "webhooks": [
            {"url": state_json.url_without_path(url.reveal()), "events": None if names is None else [*sorted(names)]}
            for url, names in call.notifier.registered()
        ]
    }


def register_webhook(call: Command) -> JsonObject:
    url, events, basic_auth = call.body.secret("url"), call.body.optional_texts("events"), call.body.pair("basic_auth")
    redirected, unanswered = call.body.flag("repeat_redirected", False), call.body.flag("repeat_unanswered", True)
    call.body.check()
    call.simulation.register_webhook(
        url, events=events, basic_auth=basic_auth, repeat_redirected=redirected, repeat_unanswered=unanswered
    )
    return webhooks(call)


async def unregister_webhook(call: Command) -> JsonObject:
    url = call.body.secret("url")
    call.body.check()
    return {"unregistered": await call.simulation.unregister_webhook(url)}


def notifications(call: Command) -> JsonObject:
    return call.page("notifications", call.simulation.notifications, state_json.notification_to_json)


def invoices(call: Command) -> JsonObject:
    found = list(call.world.invoices.by_id.values())
    return call.page("invoices", found, lambda each: state_json.invoice_to_json(each, call.world))


def escrows(call: Command) -> JsonObject:
    found = list(call.world.escrows.values())
    return call.page("escrows", found, lambda each: state_json.escrow_to_json(each, call.world))


def list_payouts(call: Command) -> JsonObject:
    payouts.settle(call.world)
    return call.page("payouts", list(call.world.payouts.values()), state_json.payout_to_json)


def hold_payout(call: Command) -> JsonObject:
    call.simulation.hold_payout(call.path["payout_status_id"])
    return state_json.payout_to_json(call.world.payouts[call.path["payout_status_id"]])


def publisher_wallets(call: Command) -> JsonObject:
    return {"wallets": state_json.wallets_to_json(call.simulation.publisher_wallets.values())}


def revoke_tokens(call: Command) -> JsonObject:
    call.simulation.revoke_tokens()
    return {}


def trigger(call: Command) -> JsonObject:
    event_name, account_id = call.body.text("event_name"), call.body.optional_text("account_id")
    message = call.body.optional_object("message")
    call.body.check()
    done = call.simulation.trigger(event_name, account_id, message=message)
    return {"event_name": event_name, "message": done, "webhooks": call.notifier.takers(event_name)}


def _account(call: Command, account_id: str) -> JsonObject:
    found = call.simulation.accounts.get(account_id)
    if found is None:
        raise KeyError(f"there is no account {account_id!r}")
    return state_json.account_to_json(call.world, found)
