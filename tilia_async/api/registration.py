"""Registration in two steps, with username and password (fact sheet "guides", G2; fact sheet "accounts", B2 and B3)."""

from __future__ import annotations

from uuid import UUID

import attrs

from tilia_async import checks
from tilia_async.config import RequestOptions, Service
from tilia_async.json_value import JsonInput
from tilia_async.models.registration import CompletedRegistration, StartedRegistration
from tilia_async.models.requests import NoFields, StartRegistrationBody
from tilia_async.scopes import Scope
from tilia_async.secret import Secret, hide
from tilia_async.wire.operation import Evidence, Operation, Repeat
from tilia_async.wire.refusal import refuse
from tilia_async.wire.sender import Sender

START = Operation(
    "registration.start",
    "POST",
    Service.REGISTRATION,
    "/v2/register",
    StartedRegistration,
    scopes={Scope.WRITE_REGISTRATIONS},
    body=StartRegistrationBody,
    repeat=Repeat.NEVER,
    success={201},
    reference=("username",),
)
COMPLETE = Operation(
    "registration.complete",
    "PUT",
    Service.REGISTRATION,
    "/v2/register/{registration_id}",
    CompletedRegistration,
    scopes={Scope.WRITE_REGISTRATIONS},
    body=NoFields,
    repeat=Repeat.NEVER,
    reference=("registration_id",),
    evidence=Evidence(
        {"scope", "answer"}, "named by the page of the first step; the answer is what Tilia's Unity SDK reads"
    ),
)


@attrs.frozen(eq=False)
class Registration:
    """``tilia.registration``: the older registration, in two steps.

    ``accounts.register`` does it in one.
    """

    _sender: Sender

    async def start(
        self,
        username: str,
        password: str | Secret,
        email: str,
        tos: bool | None = None,
        tracking_id: UUID | str | None = None,
        metadata: str | None = None,
        *,
        options: RequestOptions | None = None,
    ) -> StartedRegistration:
        """Create a temporary profile, which ``complete`` turns into an account.

        For example::

            started = await tilia.registration.start("nyx@mail.example", password, "nyx@mail.example", tos=True)
            print(started.registration_id)

        Args:
            username: unique, in the form of an e-mail address, at most 254 characters.
            password: 6 to 16 characters, at least one letter and one digit or symbol, containing neither the username
                nor the e-mail address.
            email: at most 254 characters.
            tos: the user accepted your own terms of service.
            tracking_id: a UUID of any version.
            metadata: a text that comes back unchanged; it is not secure.

        Raises:
            InvalidRequestError: a field breaks one of these rules.
            BadRequestError: Tilia refuses.

        Source: fact sheet "guides", G2 (operationId RegisterUser); scope ``write_registrations``; success is 201.
        """
        password = hide(password)
        refuse(
            START.name,
            {
                "username": checks.email_address(username),
                "password": checks.password(password, username, email),
                "email": checks.email_address(email),
                "tos": checks.flag(tos),
                "tracking_id": [] if tracking_id is None else checks.any_uuid(tracking_id),
                "metadata": [] if metadata is None else checks.text(metadata, shortest=0),
            },
        )
        optional: dict[str, JsonInput] = {
            "tos": tos,
            "tracking_id": None if tracking_id is None else str(tracking_id),
            "metadata": metadata,
        }
        given = {field: value for field, value in optional.items() if value is not None}
        return await self._sender.value(
            START, body={"username": username, "password": password, "email": email, **given}, options=options
        )

    async def complete(self, registration_id: str, *, options: RequestOptions | None = None) -> CompletedRegistration:
        """Turn a temporary profile into an account.

        Its wallets appear a moment later.

        For example::

            account = await tilia.registration.complete(registration_id)
            print(account.account_id)

        Args:
            registration_id: from ``start``, at most 36 characters.

        Raises:
            InvalidRequestError: the id cannot be one.
            ApiError: there is no such registration, or it is completed already; the status is not documented.

        Source: fact sheet "guides", G2 names it; fact sheet "accounts", B3; scope ``write_registrations`` is inferred.
        """
        return await self._sender.value(COMPLETE, path={"registration_id": registration_id}, body={}, options=options)
