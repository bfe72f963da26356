"""Reports of real crash reporters.

What they would send of an error, without the user's own frames.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterator

import rollbar
import sentry_sdk
import structlog
from rich.traceback import Traceback
from sentry_sdk.envelope import Envelope
from sentry_sdk.scrubber import EventScrubber
from sentry_sdk.transport import Transport

from support.canaries import chain, is_users

LONG = 1_000_000


def reported(error: BaseException) -> Iterator[str]:
    """Return all that the reporters make of it."""
    for each in chain(error):
        yield from by_traceback(each)
        yield from by_sentry(each)
        yield from by_rollbar(each)
        yield from by_rich(each)
        yield from by_structlog(each)


def by_traceback(error: BaseException) -> Iterator[str]:
    """Python's own, with variables."""
    summary = traceback.TracebackException.from_exception(error, capture_locals=True)
    yield from (repr(frame.locals) for frame in summary.stack if not is_users(frame.filename))
    yield from traceback.format_exception_only(error)


def by_sentry(error: BaseException) -> Iterator[str]:
    sent: list[Envelope] = []

    class Kept(Transport):
        def capture_envelope(self, envelope: Envelope) -> None:
            sent.append(envelope)

    def without_users(event: dict, _hint: object) -> dict:
        for value in event["exception"]["values"]:
            trace = value.get("stacktrace") or {"frames": []}
            trace["frames"] = [frame for frame in trace["frames"] if not is_users(frame["abs_path"])]
        return event

    client = sentry_sdk.Client(
        dsn="http://key@127.0.0.1/1",
        transport=Kept,
        default_integrations=False,
        auto_session_tracking=False,
        enable_backpressure_handling=False,
        send_client_reports=False,
        # By default it leaves variables out by their names, which saves whoever chose the right ones.
        event_scrubber=EventScrubber(denylist=[], pii_denylist=[]),
        max_value_length=LONG,
        before_send=without_users,
    )
    with sentry_sdk.isolation_scope(), sentry_sdk.new_scope() as scope:
        scope.set_client(client)
        scope.capture_exception(error)
    client.close()
    assert sent
    for envelope in sent:
        for item in envelope.items:
            yield json.dumps(item.get_event())


def by_rollbar(error: BaseException) -> Iterator[str]:
    kept: list[dict] = []

    def keep(payload: dict, **_: object) -> bool:
        kept.append(payload)
        return False

    sizes = dict.fromkeys(["maxlevel", "maxdict", "maxlist", "maxtuple", "maxset", "maxother", "maxstring"], 100)
    for max_string in (100, LONG):
        rollbar._initialized = False
        rollbar.init(
            "token",
            locals={
                "enabled": True,
                "safe_repr": False,
                "scrub_varargs": False,
                "sizes": {**sizes, "maxstring": max_string},
            },
            handler="blocking",
            scrub_fields=[],
        )
        rollbar.events.add_payload_handler(keep)
        try:
            rollbar.report_exc_info((type(error), error, error.__traceback__))
        finally:
            rollbar.events.remove_payload_handler(keep)
    assert len(kept) == 2
    for payload in kept:
        for trace in payload["data"]["body"].get("trace_chain") or [payload["data"]["body"]["trace"]]:
            yield json.dumps([frame for frame in trace["frames"] if not is_users(frame["filename"])], default=repr)
            yield json.dumps(trace["exception"], default=repr)


def by_rich(error: BaseException) -> Iterator[str]:
    for max_string in (20, None):
        trace = Traceback.extract(
            type(error),
            error,
            error.__traceback__,
            show_locals=True,
            locals_max_length=None,
            locals_max_string=max_string,
        )
        for stack in trace.stacks:
            yield stack.exc_value
            for frame in stack.frames:
                if not is_users(frame.filename):
                    yield from map(str, (frame.locals or {}).values())


def by_structlog(error: BaseException) -> Iterator[str]:
    for use_rich in (False, True):
        transform = structlog.tracebacks.ExceptionDictTransformer(
            show_locals=True, locals_max_length=100, locals_max_string=LONG, use_rich=use_rich, max_frames=200
        )
        for stack in transform((type(error), error, error.__traceback__)):
            yield json.dumps([frame for frame in stack["frames"] if not is_users(frame["filename"])], default=repr)
