"""Plain HTTP to the sandbox, without the client."""

from __future__ import annotations

from collections.abc import Mapping

import aiohttp
import attrs

from tilia_async import Money, Scope
from tilia_async.sandbox import Sandbox


@attrs.define
class Http:
    """Plain requests with a token of all scopes."""

    sandbox: Sandbox
    session: aiohttp.ClientSession
    told: list[tuple[str, dict[str, object]]] = attrs.field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        self.sandbox._world.notify = lambda event_name, message: self.told.append((event_name, message))

    async def token(self, *scopes: str, **changes: str) -> tuple[int, dict[str, object]]:
        form = {
            "client_id": self.sandbox.client_id,
            "client_secret": self.sandbox.client_secret,
            "grant_type": "client_credentials",
            "scope": ",".join(scopes),
            **changes,
        }
        async with self.session.post(self.url("auth/token"), data=form) as response:
            return response.status, await response.json()

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        scopes: tuple[str, ...] = tuple(Scope),
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, dict[str, object]]:
        _, granted = await self.token(*scopes)
        sent = {"Authorization": f"Bearer {granted['access_token']}", **(headers or {})}
        async with self.session.request(method, self.url(path), json=body, headers=sent) as response:
            return response.status, await response.json()

    async def payload(self, method: str, path: str, body: object = None, status: int = 200) -> object:
        """Return the payload of a successful request.

        It has to succeed.
        """
        found, answer = await self.call(method, path, body)
        assert (found, answer["status"]) == (status, "Success"), answer
        return answer["payload"]

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.sandbox.port}/{path}"

    async def register(self, username: str) -> str:
        body = {"username": username, "email": {"address": f"{username}@mail.example"}}
        _, answer = await self.call("POST", "accounts/register", body)
        return str(answer["payload"]["account_id"])

    async def methods(self, account_id: str) -> dict[str, dict[str, object]]:
        """Return the payment methods of an account by class."""
        found = await self.payload("GET", f"payments/v1/{account_id}/payment_methods")
        return {method["method_class"]: method for method in found}

    async def balance(self, account_id: str, kind: str = "registration") -> int:
        return int((await self.methods(account_id))[kind]["wallet_balance"])

    def fund(self, account_id: str, amount: int, currency: str = "USD", wallet: str | None = None) -> None:
        self.sandbox.fund(account_id, Money(amount, currency), wallet)

    def notices(self, event_name: str) -> list[dict[str, object]]:
        """Return the messages of one event, in order."""
        return [message for name, message in self.told if name == event_name]


def item(amount: int, currency: str = "USD", *recipients: dict[str, object], **more: object) -> dict[str, object]:
    """Return a line item for an invoice.

    With recipients it is from user to user.
    """
    kind = "user_to_user" if recipients else "user_to_integrator"
    given = {"recipients": list(recipients)} if recipients else {}
    return {"amount": amount, "currency": currency, "transaction_type": kind, **given, **more}
