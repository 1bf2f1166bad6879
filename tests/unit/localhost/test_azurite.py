"""Azurite as the local host starts and stops it."""

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from azure.data.tables import TableServiceClient

from scimgw.localhost.azurite import Azurite
from scimgw.localhost.failures import CannotStart
from tests.hosts import has_ended


def test_serves_tables_of_the_connection_string(azurite: Azurite) -> None:
    with TableServiceClient.from_connection_string(azurite.connection_string) as service:
        table = service.create_table("served")
        table.create_entity({"PartitionKey": "p", "RowKey": "r", "text": "value"})

        assert table.get_entity("p", "r")["text"] == "value"


def test_listens_on_the_loopback_interface_only(azurite: Azurite) -> None:
    """The account key is public knowledge: nobody else on the network may reach the tables."""
    listeners = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    mine = [address for address in listeners if address.endswith(f":{azurite.table_port:04X}")]

    assert set(mine) == {f"0100007F:{azurite.table_port:04X}"}


def test_a_data_folder_keeps_rows_over_a_stop(tmp_path: Path) -> None:
    """SIGINT makes Azurite write what it holds, also when it was written a moment ago."""
    with (
        Azurite.start(tmp_path) as first,
        TableServiceClient.from_connection_string(first.connection_string) as service,
    ):
        service.create_table("kept").create_entity({"PartitionKey": "p", "RowKey": "r"})

    with (
        Azurite.start(tmp_path) as second,
        TableServiceClient.from_connection_string(second.connection_string) as service,
    ):
        assert service.get_table_client("kept").get_entity("p", "r")["RowKey"] == "r"


def test_ends_when_its_starter_is_killed() -> None:
    """SIGKILL leaves no time to clean up, and still no node process may stay behind."""
    starter = subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent("""
                import time
                from scimgw.localhost.azurite import Azurite
                print(Azurite.start().pid, flush=True)
                time.sleep(60)
            """),
        ],
        stdout=subprocess.PIPE,
    )
    with starter:
        assert starter.stdout is not None
        azurite_pid = int(starter.stdout.readline())
        starter.send_signal(signal.SIGKILL)

    assert has_ended(azurite_pid)


def test_stopping_twice_is_harmless() -> None:
    azurite = Azurite.start()
    azurite.stop()
    azurite.stop()

    assert not azurite.is_running()


def test_without_node_modules_it_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="run `make install`"):
        Azurite.start(project_dir=tmp_path)


def test_a_folder_that_cannot_be_used_is_named_in_the_failure(tmp_path: Path) -> None:
    """Azurite's own words are passed on: it knows best what is wrong."""
    (tmp_path / "file").touch()

    with pytest.raises((CannotStart, OSError), match="file"):
        Azurite.start(tmp_path / "file")
