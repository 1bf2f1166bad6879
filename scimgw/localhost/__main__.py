"""``python -m scimgw.localhost``: the serve command without the rest of the command line."""

import typer

from scimgw.commands.serve import serve

typer.run(serve)
