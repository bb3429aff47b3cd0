"""The `chassis` command.

A command imports inside its functions what only it needs: to serve must need neither the test kit
nor the time that the tools take to load.
"""

import typer

from chassis_core.cli.check import check
from chassis_core.cli.doctor import doctor
from chassis_core.cli.explain import explain
from chassis_core.cli.migrate import migrate
from chassis_core.cli.new import new
from chassis_core.cli.nfr import nfr
from chassis_core.cli.serve import serve
from chassis_core.cli.upgrade import upgrade
from chassis_core.cli.verify import verify

app = typer.Typer(name="chassis", no_args_is_help=True, pretty_exceptions_enable=False)
app.command()(serve)
app.command()(migrate)
app.add_typer(new, name="new")
app.command()(check)
app.command()(verify)
app.command()(doctor)
app.command()(upgrade)
app.command()(explain)
app.command()(nfr)


def main() -> None:
    """Run the command line."""
    app()
