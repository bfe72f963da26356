"""Payouts: from a user's wallet to the world outside (fact sheet "money", E)."""

from __future__ import annotations

import builtins

import attrs

from tilia_async import checks
from tilia_async.config import RequestOptions, Service
from tilia_async.json_value import JsonInput
from tilia_async.models.amount import Amount, AmountArgument
from tilia_async.models.payouts import Payout, PayoutStatus
from tilia_async.models.requests import PayoutBody
from tilia_async.scopes import Scope
from tilia_async.wire.operation import Evidence, Operation, Repeat
from tilia_async.wire.refusal import refuse
from tilia_async.wire.sender import Sender

_NOT_CANCELLED = {
    PayoutStatus.FUNDS_IN_ESCROW,
    PayoutStatus.FUNDS_IN_ESCROW_ON_HOLD,
    PayoutStatus.CREDIT_TRANSFER_INITIATED,
    PayoutStatus.SUCCESS,
}

REQUEST = Operation(
    "payouts.request",
    "POST",
    Service.INVOICING,
    "/v2/{account_id}/payout",
    Payout,
    scopes={Scope.WRITE_PROCESS_CREDITS},
    body=PayoutBody,
    repeat=Repeat.NEVER,
    success={200, 201},
    reference=("account_id", "source_payment_method_id", "destination_payment_method_id", "amount", "currency"),
    echoes={"account_id": "account_id"},
)
LIST = Operation(
    "payouts.list",
    "GET",
    Service.INVOICING,
    "/v2/{account_id}/payouts",
    list[Payout],
    scopes={Scope.READ_PROCESS_CREDITS},
    repeat=Repeat.SAFE,
    echoes={"account_id": "account_id"},
)
GET = Operation(
    "payouts.get",
    "GET",
    Service.INVOICING,
    "/v2/{account_id}/payout/{payout_status_id}",
    Payout,
    scopes={Scope.READ_PROCESS_CREDITS},
    repeat=Repeat.SAFE,
    echoes={"account_id": "account_id", "payout_status_id": "payout_status_id"},
    evidence=Evidence({"scope"}, "no page of the reference is known; that of listing is expected"),
)
CANCEL = Operation(
    "payouts.cancel",
    "DELETE",
    Service.INVOICING,
    "/v2/{account_id}/payout/{payout_status_id}",
    Payout,
    scopes={Scope.WRITE_PROCESS_CREDITS},
    repeat=Repeat.NEVER,
    reference=("account_id", "payout_status_id"),
    echoes={"account_id": "account_id", "payout_status_id": "payout_status_id"},
    denials={"status": _NOT_CANCELLED},
)


@attrs.frozen(eq=False)
class Payouts:
    """``tilia.payouts``: pay users out.

    They need to have passed KYC; destinations are PayPal accounts.
    """

    _sender: Sender

    async def request(
        self,
        account_id: str,
        source_payment_method_id: str,
        destination_payment_method_id: str,
        amount: Amount,
        currency: str | None = None,
        *,
        options: RequestOptions | None = None,
    ) -> Payout:
        """Ask for a payout.

        It is worked on in the background.

        For example::

            payout = await tilia.payouts.request(earner_id, usd_wallet_method_id, paypal_id, Money(300, "USD"))
            print(payout.payout_status_id, payout.status)

        Args:
            account_id: whose money, at most 36 characters.
            source_payment_method_id: the payment method of the wallet it comes from, not the wallet's own id.
            destination_payment_method_id: where it goes.
            amount: in the smallest unit of the currency, at least 1, or ``Money``.
            currency: three characters, with an amount that is not a ``Money``.

        Raises:
            InvalidRequestError: a field breaks one of these rules.
            ApiError: Tilia refuses, e.g. for want of KYC; it documents no status for it.

        Source: fact sheet "money", E: path and body as Tilia's Unity SDK sends them; scope ``write_process_credits``.
        """
        given = AmountArgument(amount, currency)
        refuse(
            REQUEST.name,
            {
                "account_id": checks.identifier(account_id),
                "source_payment_method_id": checks.identifier(source_payment_method_id),
                "destination_payment_method_id": checks.identifier(destination_payment_method_id),
                **given.problems(),
            },
        )
        body: dict[str, JsonInput] = {
            "source_payment_method_id": source_payment_method_id,
            "destination_payment_method_id": destination_payment_method_id,
            **given.fields(),
        }
        return await self._sender.value(REQUEST, path={"account_id": account_id}, body=body, options=options)

    async def list(self, account_id: str, *, options: RequestOptions | None = None) -> builtins.list[Payout]:
        """List an account's payouts.

        For example::

            for payout in await tilia.payouts.list(earner_id):
                print(payout.payout_status_id, payout.status)

        Args:
            account_id: at most 36 characters.

        Raises:
            InvalidRequestError: the id cannot be one.

        Source: fact sheet "money", E (operationId getAllPayouts); scope ``read_process_credits``.
        """
        return await self._sender.value(LIST, path={"account_id": account_id}, options=options)

    async def get(self, account_id: str, payout_status_id: str, *, options: RequestOptions | None = None) -> Payout:
        """Look a payout up by its id.

        For example::

            payout = await tilia.payouts.get(earner_id, payout_status_id)
            print(payout.status)

        Args:
            account_id: at most 36 characters.
            payout_status_id: at most 36 characters.

        Raises:
            InvalidRequestError: an id cannot be one.
            ApiError: there is no such payout; Tilia documents no status for it.

        Source: fact sheet "money", E: the path as Tilia's Unity SDK has it; scope ``read_process_credits`` is inferred.
        """
        path = {"account_id": account_id, "payout_status_id": payout_status_id}
        return await self._sender.value(GET, path=path, options=options)

    async def cancel(self, account_id: str, payout_status_id: str, *, options: RequestOptions | None = None) -> Payout:
        """Cancel a payout whose funds are still in escrow.

        Its record stays.

        For example::

            payout = await tilia.payouts.cancel(earner_id, payout_status_id)
            print(payout.status)

        Args:
            account_id: at most 36 characters.
            payout_status_id: at most 36 characters.

        Raises:
            InvalidRequestError: an id cannot be one.
            ApiError: it is too late, or there is no such payout; Tilia documents no status for it.

        Source: fact sheet "money", E (guide "cancel payout request"); scope ``write_process_credits``.
        """
        path = {"account_id": account_id, "payout_status_id": payout_status_id}
        return await self._sender.value(CANCEL, path=path, options=options)
