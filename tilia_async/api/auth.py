"""Access for one user.

Redirects into Tilia's web pages, and user tokens (fact sheet "accounts", A2).
"""

from __future__ import annotations

import attrs

from tilia_async import checks
from tilia_async.config import RequestOptions, Service
from tilia_async.json_value import JsonInput
from tilia_async.models.auth import Redirect, UserToken
from tilia_async.models.requests import AuthorizeUserBody
from tilia_async.scopes import Scope
from tilia_async.wire.operation import Operation, Repeat
from tilia_async.wire.refusal import refuse
from tilia_async.wire.sender import Sender

CREATE_REDIRECT = Operation(
    "auth.create_redirect",
    "POST",
    Service.AUTH,
    "/authorize/user",
    Redirect,
    scopes={Scope.WRITE_USER_TOKENS},
    body=AuthorizeUserBody,
    repeat=Repeat.NEVER,
    reference=("account_id",),
    confidential=True,
)
CREATE_USER_TOKEN = Operation(
    "auth.create_user_token",
    "POST",
    Service.AUTH,
    "/authorize/user",
    UserToken,
    scopes={Scope.WRITE_USER_TOKENS},
    body=AuthorizeUserBody,
    repeat=Repeat.NEVER,
    reference=("account_id",),
    confidential=True,
)


@attrs.frozen(eq=False)
class Auth:
    """``tilia.auth``: let one user in."""

    _sender: Sender

    async def create_redirect(
        self,
        account_id: str,
        flow: str | None = None,
        hosted: bool = False,
        *,
        options: RequestOptions | None = None,
    ) -> Redirect:
        """Make a URL into one of Tilia's web pages.

        It takes a user there. It works once, within 24 hours.

        For example::

            redirect = await tilia.auth.create_redirect(account_id, flow="kyc", hosted=True)
            print(redirect.redirect)

        Args:
            account_id: at most 36 characters.
            flow: the page, for hosted ones: ``kyc``, ``payout``, ``txnhistory``, ``addcard`` are documented.
            hosted: a page that Tilia hosts; otherwise the URL is for Tilia's widget or the older redirect.

        Raises:
            InvalidRequestError: the id cannot be one, or a flow is given for a page that is not hosted.
            AccountBlockedError: the account is blocked.
            NotFoundError: there is no such account.

        Source: fact sheet "accounts", A2 (operationId AuthorizeUserHandler); scope ``write_user_tokens``.
        """
        refuse(
            CREATE_REDIRECT.name,
            {
                "account_id": checks.identifier(account_id),
                "flow": _flow(flow, hosted),
                "hosted": checks.flag(hosted),
            },
        )
        body: dict[str, JsonInput] = {"account_id": account_id}
        if hosted:
            body["mechanism"] = "tilia_hosted"
        if flow is not None:
            body["flow"] = flow
        return await self._sender.value(CREATE_REDIRECT, body=body, options=options)

    async def create_user_token(
        self, account_id: str, expires_in: int | None = None, *, options: RequestOptions | None = None
    ) -> UserToken:
        """Make a token that acts for one user.

        E.g. for Tilia's mobile SDKs.

        For example::

            token = await tilia.auth.create_user_token(account_id, expires_in=900)
            print(token.token_type, token.expiry)

        Args:
            account_id: at most 36 characters.
            expires_in: its lifetime in seconds, at least 1; None: Tilia's default.

        Raises:
            InvalidRequestError: the id cannot be one, or the lifetime is not a positive whole number.
            AccountBlockedError: the account is blocked.
            NotFoundError: there is no such account.

        Source: fact sheet "accounts", A2 (operationId AuthorizeUserHandler); scope ``write_user_tokens``.
        """
        refuse(
            CREATE_USER_TOKEN.name,
            {
                "account_id": checks.identifier(account_id),
                "expires_in": [] if expires_in is None else checks.count(expires_in),
            },
        )
        body: dict[str, JsonInput] = {"account_id": account_id, "return_token": True}
        if expires_in is not None:
            body["token_expiration_seconds"] = expires_in
        return await self._sender.value(CREATE_USER_TOKEN, body=body, options=options)


def _flow(flow: str | None, hosted: bool) -> list[str]:
    if flow is None:
        return []
    return checks.text(flow) if hosted else ["works with hosted=True only"]
