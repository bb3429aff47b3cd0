"""The `chassis` command."""

import typer

from chassis_core.cli.check import check
from chassis_core.cli.migrate import migrate
from chassis_core.cli.serve import serve
from chassis_core.cli.verify import verify

app = typer.Typer(name="chassis", no_args_is_help=True, pretty_exceptions_enable=False)
app.command()(serve)
app.command()(migrate)
app.command()(verify)
app.command()(check)


def main() -> None:
    """Run the command line."""
    app()
