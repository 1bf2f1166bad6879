"""``scimgw serve``: Azurite and the local host in the foreground, until Ctrl-C or SIGTERM."""

import asyncio
import fcntl
import json
import logging
import os
import secrets
import shutil
import signal
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from scimgw.localhost.azurite import LOOPBACK, PROJECT_DIR, Azurite
from scimgw.localhost.failures import CannotStart

STATE_DIR_VARIABLE = "SCIMGW_STATE_DIR"
LOG_LEVEL_VARIABLE = "SCIMGW_LOG_LEVEL"
# Tables that run already, as a connection string: a proxy in front of Azurite, for faults and for counting.
TABLES_VARIABLE = "SCIMGW_TABLES"
OPERATOR_FILE = "operator.json"

# With these the app would use Azure: the local host is for data that may be lost.
_CLOUD_SETTINGS = ("SCIM_TABLE_ENDPOINT", "SCIM_KEY_VAULT_URI")


@dataclass(frozen=True, slots=True)
class LocalData:
    """Where the local host keeps what it keeps.

    Attributes:
        root: A folder that only its owner may enter.
        azurite: Azurite's folder; None for memory.
    """

    root: Path
    azurite: Path | None

    @property
    def secrets(self) -> Path:
        """Stands in for Key Vault."""
        return self.root / "secrets"

    @property
    def tenants(self) -> Path:
        """Tenant entries, as Key Vault would have them."""
        return self.root / "tenants"

    def operator_token(self) -> str:
        """Return the management API's token: the same one as long as the folder lives."""
        file = self.root / "operator-token"
        if not file.exists():
            write_private(file, secrets.token_urlsafe(32))
        return file.read_text(encoding="ascii")


def serve(
    port: Annotated[int, typer.Option(help="Where to listen on 127.0.0.1; 0 for any free port.")] = 7071,
    data: Annotated[
        Path | None, typer.Option(help="A folder that keeps data, secrets and the operator token.")
    ] = None,
) -> None:
    """Serve the gateway on this machine: Azurite and the local host."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    logging.basicConfig(
        level=os.environ.get(LOG_LEVEL_VARIABLE, "WARNING").upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    try:
        with ExitStack() as stack:
            _serve(stack, port, data.resolve() if data else None)
    except CannotStart as failure:
        print(failure, file=sys.stderr)
        raise typer.Exit(1) from failure
    except KeyboardInterrupt:
        pass  # stopped while it started; the stack has cleaned up


def _serve(stack: ExitStack, port: int, data: Path | None) -> None:
    from scimgw.localhost import host  # noqa: PLC0415 - other commands need no server

    bound = stack.enter_context(host.bind(port))
    url = f"http://{LOOPBACK}:{bound.getsockname()[1]}"
    local = _prepare(stack, data)
    tables = (
        os.environ.get(TABLES_VARIABLE) or stack.enter_context(Azurite.start(local.azurite)).connection_string
    )
    stack.callback(_ignore_signals)
    token = local.operator_token()
    for name in _CLOUD_SETTINGS:
        os.environ.pop(name, None)
    os.environ |= {
        "SCIM_TABLE_CONNECTION_STRING": tables,
        "SCIM_LOCAL_SECRETS_DIR": str(local.secrets),
        "SCIM_LOCAL_TENANTS_DIR": str(local.tenants),
        "SCIM_OPERATOR_TOKEN": token,
        # A vendor's application under development listens on this machine. The host says so when it starts.
        "SCIM_ALLOW_PRIVATE_RECEIVERS": "true",
    }
    state_dir = Path(os.environ.get(STATE_DIR_VARIABLE) or PROJECT_DIR / ".local").resolve()
    state_file = state_dir / OPERATOR_FILE
    content = json.dumps({"url": url, "token": token, "secrets": str(local.secrets)})

    def on_ready() -> None:
        write_private(state_file, content)
        stack.callback(_remove_own, state_file, content)
        print(host.NOTICE, file=sys.stderr)
        print(f"ready {url}", flush=True)

    asyncio.run(host.serve(PROJECT_DIR, bound, on_ready=on_ready, stopped=_signalled))


def _prepare(stack: ExitStack, data: Path | None) -> LocalData:
    """Make the folders; those of a run without ``data`` go when it ends.

    Raises:
        CannotStart: ``data`` cannot be used, or another host uses it.
    """
    if data is None:
        root = Path(tempfile.mkdtemp(prefix="scimgw-"))
        stack.callback(shutil.rmtree, root, ignore_errors=True)
        local = LocalData(root, None)
    else:
        local = LocalData(data, data / "azurite")
    try:
        for folder in (local.root, local.secrets, local.tenants):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = stack.enter_context((local.root / "lock").open("w"))
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise CannotStart(f"{data} is in use by another local host.") from error
    except OSError as error:
        raise CannotStart(f"{data} cannot be used: {error.strerror}.") from error
    return local


async def _signalled() -> None:
    """Return once Ctrl-C or SIGTERM asks to stop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()


def _ignore_signals() -> None:
    """Let nothing cut the end short: Azurite writes its data, which takes it a moment."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner may read; whole or not at all, whoever writes at the same time."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=file.parent)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    Path(name).replace(file)


def _remove_own(file: Path, content: str) -> None:
    """Remove the operator file, unless a host that started later has written its own."""
    if file.is_file() and file.read_text(encoding="utf-8") == content:
        file.unlink()
