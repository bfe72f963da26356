"""``tilia completion``: the script that completes commands in a shell."""

from __future__ import annotations

import click
from click.shell_completion import BashComplete, FishComplete, ZshComplete

from tilia_async.cli.terminal import say_text

_SHELLS = {each.name: each for each in (BashComplete, FishComplete, ZshComplete)}


_HELP = """Print the completion script of a shell.

\b
bash:  tilia completion bash >> ~/.bashrc
zsh:   tilia completion zsh >> ~/.zshrc
fish:  tilia completion fish > ~/.config/fish/completions/tilia.fish
"""


@click.command(help=_HELP)
@click.argument("shell", type=click.Choice(list(_SHELLS)))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell."""
    script = _SHELLS[shell](ctx.find_root().command, {}, "tilia", "_TILIA_COMPLETE")
    say_text(script.source())
