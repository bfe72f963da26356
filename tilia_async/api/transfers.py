"""Balance transfers between wallets (fact sheet "money", A8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from tilia_async import checks
from tilia_async.config import RequestOptions, Service
from tilia_async.json_value import JsonInput
from tilia_async.models.request_part import body_of, problems_of
from tilia_async.models.requests import TransferBody
from tilia_async.models.transfers import BalanceTransfer, TransferItem
from tilia_async.scopes import Scope
from tilia_async.wire.operation import Evidence, Operation, Repeat
from tilia_async.wire.refusal import listed, refuse
from tilia_async.wire.sender import Sender

CREATE = Operation(
    "transfers.create",
    "POST",
    Service.BALANCES,
    "/v1/transfer",
    BalanceTransfer,
    scopes={Scope.WRITE_INVOICES},
    body=TransferBody,
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
    """``tilia.transfers``: move balances between wallets.

    There are no taxes, exchange, receipts or refunds.
    """

    _sender: Sender

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
        """Move balances.

        All attempts of the call carry one ``Idempotency-Key``, so they have one effect.

        A call that is made again has another key, and another effect, unless both get the same key and body from you:
        make the key when the order is made, and keep it with the order.

        For example::

            reward = TransferItem(
                source_wallet_id=publisher_wallet_id, destination_wallet_id=token_wallet_id, amount=Money(70, "TOK")
            )
            done = await tilia.transfers.create(account_id, "fund_user", [reward], reference_id="quest-7")
            print(done.balance_transfer_id, done.status)

        Args:
            account_id: the primary account, at most 36 characters.
            balance_transfer_type: as agreed with Tilia, e.g. ``fund_user``.
            transfer_items: the movements, at least one.
            reference_type: a kind of yours.
            reference_id: an id of yours.
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
        texts = {"reference_type": reference_type, "reference_id": reference_id, "description": description}
        refuse(
            CREATE.name,
            {
                "account_id": checks.identifier(account_id),
                "balance_transfer_type": checks.text(balance_transfer_type),
                "transfer_items": [] if transfer_items else ["is empty"],
                **problems_of("transfer_items", transfer_items),
                **{field: checks.text(text, shortest=0) for field, text in texts.items() if text is not None},
            },
        )
        body: dict[str, JsonInput] = {
            "account_id": account_id,
            "balance_transfer_type": balance_transfer_type,
            "transfer_items": [body_of(item) for item in transfer_items],
            **{field: text for field, text in texts.items() if text is not None},
        }
        if metadata is not None:
            body["metadata"] = metadata
        return await self._sender.value(CREATE, body=body, options=options)
