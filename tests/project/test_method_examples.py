"""Each method of a service has an example, which runs as it is printed, in both packages."""

import ast
import asyncio
import inspect

import pytest
from support.examples import Scene, example_of, methods
from support.quick import QUICK

import tilia_async
import tilia_sync
from tilia_async.sandbox import Sandbox
from tilia_async.tokens import TokenCache

PACKAGES = {"tilia_async": tilia_async.TiliaClient, "tilia_sync": tilia_sync.TiliaClient}


@pytest.mark.parametrize("package", PACKAGES)
def test_each_method_has_an_example_that_calls_it(package: str) -> None:
    for name, method in methods(PACKAGES[package]):
        assert f"tilia.{name}(" in (example_of(method) or ""), name


@pytest.mark.asyncio
@pytest.mark.parametrize("package", PACKAGES)
async def test_each_example_runs(package: str, sandbox: Sandbox, tilia: tilia_async.TiliaClient) -> None:
    settings = {"retry": QUICK, "token_cache": TokenCache()}
    synchronous = tilia_sync.TiliaClient(
        sandbox.client_id, sandbox.client_secret, sandbox.environment, **settings
    )  # one thread for all
    try:
        for name, method in methods(PACKAGES[package]):
            example = example_of(method)
            assert example is not None
            names = await Scene(sandbox, tilia).names(example)
            code = compile(example, name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            if package == "tilia_sync":
                await asyncio.to_thread(eval, code, names | {"tilia": synchronous})
                continue
            waiting = eval(code, names | {"tilia": tilia})
            if inspect.iscoroutine(waiting):
                await waiting
    finally:
        await asyncio.to_thread(synchronous.close)
