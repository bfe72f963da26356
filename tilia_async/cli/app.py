"""The command ``tilia``: its commands, and where each stands.

A command, or a group of them, is one line here. It is imported when somebody calls it, so that a call of one account
loads neither the sandbox nor the demo.
"""

from __future__ import annotations

from typing import Final

import click

from tilia_async.cli.lazy_group import CommandSource, LazyGroup
from tilia_async.version import __version__

_HERE: Final = "tilia_async.cli"

COMMANDS: Final = {
    "demo": CommandSource(f"{_HERE}.demo:demo", "Walk through the SDK on an embedded Tilia."),
    "sandbox": CommandSource(f"{_HERE}.sandbox:sandbox", "Run an embedded Tilia until Ctrl-C, or steer one."),
    "accounts": CommandSource(f"{_HERE}.accounts:accounts", "Look accounts up, register, block and unblock them."),
    "wallets": CommandSource(f"{_HERE}.wallets:wallets", "See what users have."),
    "bulk": CommandSource(f"{_HERE}.bulk:bulk", "Block, unblock or look up the accounts of a file."),
    "ledger": CommandSource(f"{_HERE}.ledger:ledger", "Read the record of blocks."),
    "fleet": CommandSource(f"{_HERE}.fleet:fleet", "Share jobs among workers on many hosts."),
    "api": CommandSource(f"{_HERE}.api:api", "Call any operation of Tilia's API."),
    "listen": CommandSource(f"{_HERE}.listen:listen", "Show notifications as they come, until Ctrl-C."),
    "trigger": CommandSource(f"{_HERE}.trigger:trigger", "Post a notification of EVENT, as Tilia does."),
    "scopes": CommandSource(f"{_HERE}.scopes:scopes", "List the scopes that each operation needs."),
    "token": CommandSource(f"{_HERE}.token:token", "Fetch an access token."),
    "doctor": CommandSource(f"{_HERE}.doctor:doctor", "Check settings, network and credentials."),
    "verify": CommandSource(f"{_HERE}.verify:verify_command", "Check what the SDK knows of Tilia against Tilia."),
    "openapi": CommandSource(f"{_HERE}.openapi:openapi", "Print Tilia's API as an OpenAPI 3.1 document."),
    "completion": CommandSource(f"{_HERE}.completion:completion", "Print the completion script of a shell."),
}

_EXIT_STATUS: Final = """\b
Exit status:
0  done
1  refused by Tilia, or not all done
2  the command, a setting or the input is wrong; nothing was sent
3  nobody can know whether it was done
4  not found
5  Tilia cannot be reached
"""

app: Final = LazyGroup(
    "tilia",
    COMMANDS,
    "Tilia Pay from the command line.\n\nCommands that speak to Tilia read TILIA_CLIENT_ID, TILIA_CLIENT_SECRET and "
    f"TILIA_ENVIRONMENT.\n\n{_EXIT_STATUS}",
)
click.version_option(__version__, prog_name="tilia", message="%(prog)s %(version)s")(app)
