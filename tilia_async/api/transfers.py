"""Balance transfers between wallets (fact sheet "money", A8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

import attrs

from tilia_async.api.line_items import Problems, listed, problems_of
from tilia_async.config import RequestOptions, Service
from tilia_async.json_value import JsonInput
from tilia_async.scopes import Scope
from tilia_async.wire import checks
from tilia_async.wire.amounts import Amount, GivenAmount
from tilia_async.wire.operation import Evidence, Operation, Repeat

if TYPE_CHECKING:
    from tilia_async.transport.caller import Caller


class TransferStatus(StrEnum):
    """What became of a transfer."""

    EXECUTED = "EXECUTED"
    FAILED = "FAILED"


@attrs.frozen(kw_only=True)
class TransferItem:
    """One movement of a transfer; source or destination belongs to the primary account.

    Attributes:
        amount: in the smallest unit of the currency, at least 1, or ``Money``.
        currency: three characters, with an amount that is no ``Money``.
        transfer_item_type: as agreed with Tilia.
    """

    source_wallet_id: str
    destination_wallet_id: str
    amount: Amount
    currency: str | None = None
    transfer_item_type: str | None = None
    description: str | None = None

    def problems(self) -> Problems:
        """What Tilia would refuse, by field."""
        ids = {
            "source_wallet_id": checks.identifier(self.source_wallet_id),
            "destination_wallet_id": checks.identifier(self.destination_wallet_id),
        }
        words = {"transfer_item_type": self.transfer_item_type, "description": self.description}
        ids |= {field: checks.text(text, shortest=0) for field, text in words.items() if text is not None}
        wrong = {field: reasons for field, reasons in ids.items() if reasons}
        return wrong | GivenAmount(self.amount, self.currency).problems()

    def to_json(self) -> dict[str, JsonInput]:
        """What is sent, once there are no problems."""
        texts = {"transfer_item_type": self.transfer_item_type, "description": self.description}
        return {
            "source_wallet_id": self.source_wallet_id,
            "destination_wallet_id": self.destination_wallet_id,
            **GivenAmount(self.amount, self.currency).fields(),
            **{field: text for field, text in texts.items() if text is not None},
        }


@attrs.frozen
class BalanceTransfer:
    """A balance transfer. A transfer that failed is an answer, not an error: look at ``status``."""

    account_id: str | None = None
    balance_transfer_id: str | None = None
    balance_transfer_type: str | None = None
    invoice_id: str | None = None
    reference_type: str | None = None
    reference_id: str | None = None
    description: str | None = None
    status: TransferStatus | str | None = None
    failure_reason: str | None = None


CREATE = Operation(
    "transfers.create",
    "POST",
    Service.BALANCES,
    "/v1/transfer",
    BalanceTransfer,
    scopes={Scope.WRITE_INVOICES},
    repeat=Repeat.KEYED,
    reference=("account_id", "balance_transfer_type", "reference_type", "reference_id"),
    parts="transfer_items",
    echoes={"account_id": "account_id"},
    essential={"balance_transfer_id", "invoice_id"},
    evidence=Evidence(
        {"host", "scope", "answer"},
        "the page shows neither host nor scope and hides the payload: host after the section's name, scope as for "
        "invoices (it makes one), payload after the webhook's",
    ),
)


@attrs.frozen(eq=False)
class Transfers:
    """``tilia.transfers``: move balances between wallets, without taxes, exchange, receipts or refunds."""

    _caller: Caller

    async def create(
        self,
        account_id: str,
        balance_transfer_type: str,
        transfer_items: Sequence[TransferItem],
        reference_type: str | None = None,
        reference_id: str | None = None,
        description: str | None = None,
        metadata: Mapping[str, JsonInput] | None = None,
        *,
        options: RequestOptions | None = None,
    ) -> BalanceTransfer:
        """Move balances. All attempts of the call carry one ``Idempotency-Key``, so they have one effect.

        A call that is made again has another key, and another effect, unless both get the same key and body from you:
        make the key when the order is made, and keep it with the order.

        Args:
            account_id: the primary account, at most 36 characters.
            balance_transfer_type: as agreed with Tilia, e.g. ``fund_user``.
            transfer_items: the movements, at least one.
            reference_type, reference_id: ids of yours.
            description: a text of yours.
            metadata: anything that JSON can say.
            options: ``idempotency_key`` may carry a UUID4 of yours.

        Raises:
            InvalidRequestError: a field breaks one of these rules; its name says where.
            BadRequestError: Tilia refuses.
            ConflictError: the key is in use by a call under way, which may have an effect yet.
            UnprocessableError: the key was used with another body, which may have had its effect.

        Source: fact sheet "money", A8 and 0.5; host, scope and answer are inferred.
        """
        transfer_items = listed(CREATE.name, "transfer_items", transfer_items, TransferItem)
        words = {"reference_type": reference_type, "reference_id": reference_id, "description": description}
        checks.refuse(
            CREATE.name,
            {
                "account_id": checks.identifier(account_id),
                "balance_transfer_type": checks.text(balance_transfer_type),
                "transfer_items": [] if transfer_items else ["is empty"],
                **problems_of("transfer_items", transfer_items),
                **{field: checks.text(text, shortest=0) for field, text in words.items() if text is not None},
            },
        )
        body: dict[str, JsonInput] = {
            "account_id": account_id,
            "balance_transfer_type": balance_transfer_type,
            "transfer_items": [item.to_json() for item in transfer_items],
            **{field: text for field, text in words.items() if text is not None},
        }
        if metadata is not None:
            body["metadata"] = metadata
        return await self._caller.value(CREATE, body=body, options=options)
