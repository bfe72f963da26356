"""The types of what tests and frameworks use, checked and never run."""

from typing import assert_type

from starlette.applications import Starlette
from starlette.requests import Request

import pytest_tilia
from tilia_async import TiliaClient
from tilia_async.errors import TiliaError
from tilia_async.integrations.starlette import error_response, get_tilia, lifespan
from tilia_async.sandbox import RecordedRequest
from tilia_async.testing import SandboxCalls, VcrConfig, vcr_config
from tilia_sync import TiliaClient as SyncTiliaClient
from tilia_sync.integrations import celery, django, flask


def calls(tilia_calls: SandboxCalls) -> None:
    assert_type(tilia_calls.assert_once("accounts.block", account_id="acct_1"), RecordedRequest)
    assert_type(tilia_calls[0], RecordedRequest)
    assert_type(tilia_calls[1:], list[RecordedRequest])
    assert_type(vcr_config(keep={"nyx"}), VcrConfig)
    assert pytest_tilia.tilia_calls


def starlette(request: Request) -> None:
    assert_type(get_tilia(request), TiliaClient)
    Starlette(lifespan=lifespan(), exception_handlers={TiliaError: error_response})


def in_threads() -> None:
    assert_type(django.get_client(), SyncTiliaClient)
    assert_type(celery.get_client(), SyncTiliaClient)
    assert_type(celery.RETRYABLE, tuple[type[TiliaError], ...])
    assert_type(flask.Tilia().client, SyncTiliaClient)
