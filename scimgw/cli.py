"""The ``scimgw`` command: what operators and developers run.

Exit statuses: 0 all is well; 1 the gateway said no, cannot be reached, or a simulated server is wrong; 2 the
command was written wrongly.
"""

from typing import Any

import typer
from typer.core import TyperGroup

from scimgw import output
from scimgw.client import GatewayError
from scimgw.commands import credentials, directory, doctor, events, keys, receivers, simulate, tenants
from scimgw.commands.demo import demo
from scimgw.commands.log import show_log
from scimgw.commands.login import login, logout
from scimgw.commands.onboard import onboard
from scimgw.commands.purge import purge
from scimgw.commands.serve import serve
from scimgw.commands.transfer import export, import_tenant


class Commands(TyperGroup):
    """Prints what a person can act on as one line, instead of a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except GatewayError as error:
            output.print_note(f"scimgw: {error}")
            raise typer.Exit(1) from None


app = typer.Typer(
    name="scimgw",
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Run, steer and test the SCIM gateway that SCIMGW_URL names, http://127.0.0.1:7071 by default.",
)
app.add_typer(tenants.app, name="tenants")
app.add_typer(credentials.app, name="credentials")
app.add_typer(keys.app, name="keys")
app.add_typer(directory.users, name="users")
app.add_typer(directory.groups, name="groups")
app.add_typer(events.app, name="events")
app.add_typer(receivers.app, name="receivers")
app.command("dead-letters")(receivers.dead_letters)
app.add_typer(simulate.app, name="simulate")
app.add_typer(doctor.app, name="doctor")
tenants.app.command("onboard")(onboard)
tenants.app.command("log")(show_log)
tenants.app.command("purge")(purge)
tenants.app.command("export")(export)
tenants.app.command("import")(import_tenant)
app.command("login")(login)
app.command("logout")(logout)
app.command("serve")(serve)
app.command("demo")(demo)


def main() -> None:
    """Run the command line."""
    app()
