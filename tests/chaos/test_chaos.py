"""Several processes with wrong clocks change one tenant through a failing network, and some are killed.

Afterwards: every change that was acknowledged is there, each other one entirely or not at all; indexes and
reverse rows agree with the resources; the feed is dense, each resource's versions in order, and the counts
are exact.
"""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from uuid import uuid4

import pytest

from scim.storage import keys
from scim.storage.changes import RelayOutcome, last_sequence, read_feed, relay
from scim.storage.inspect import check_tenant
from scim.storage.sweep import sweep_journals
from scim.storage.table_account import TableAccount
from scim.storage.table_client import TableClient
from scimgw.localhost.azurite import Azurite
from tests.chaos.replay import read_state, replay
from tests.chaos.worker import Job, Outcome
from tests.faults.proxy import Fault, FaultProxy
from tests.storage.directories import open_directory

PROJECT_DIR = Path(__file__).resolve().parents[2]
WORK_SECONDS = 10.0
WORKERS = 3
SKEWS_SECONDS = (0.0, 4.0, -4.0)
RATES = {
    Fault.LOSE_REQUEST: 0.03,
    Fault.BUSY: 0.03,
    Fault.LOSE_RESPONSE: 0.03,
    Fault.ERROR_AFTER: 0.03,
    Fault.CUT: 0.02,
    Fault.DELAY: 0.04,
}
# Reads and transactions.
METHODS = ("GET", "POST")

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(240)]


@contextmanager
def running(job: Job) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker; never leave it behind."""
    process = subprocess.Popen([sys.executable, "-m", "tests.chaos.worker", job.render()], cwd=PROJECT_DIR)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def wait_for_log(path: Path, lines: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until a worker is in the middle of its work."""
    until = time.monotonic() + 100
    while time.monotonic() < until and process.poll() is None:
        if path.exists() and path.read_bytes().count(b"\n") >= lines:
            return
        time.sleep(0.02)
    raise AssertionError(f"worker has not come to work, status {process.poll()}")


def read_outcomes(folder: Path) -> dict[str, Outcome]:
    """Return the last thing known of each change. A line that a kill has cut off says nothing."""
    outcomes: dict[str, Outcome] = {}
    for path in sorted(folder.glob("*.log")):
        for line in path.read_text().splitlines():
            try:
                correlation_id, outcome = json.loads(line)
            except ValueError:
                continue
            outcomes[correlation_id] = Outcome(outcome)
    return outcomes


async def settle(table: TableClient, partition: str) -> None:
    """Do what timers do: finish journals, relay events."""
    done = await sweep_journals(table, [partition], until=time.monotonic() + 60)
    assert done.left == 0
    assert await relay(table, partition) is RelayOutcome.EMPTY


@pytest.mark.parametrize("seed", [1, 2])
async def test_nothing_is_lost_and_nothing_invented(
    azurite: Azurite, tmp_path: Path, seed: int, record_property: Callable[[str, object], None]
):
    """One of three workers is killed in the middle of its work, and another takes its place."""
    table_name, tenant_id = f"t{token_hex(6)}", str(uuid4())
    partition = keys.partition(tenant_id)
    async with TableAccount(azurite.connection_string) as account:
        table = account.table(table_name)
        await table.create_table()
        with FaultProxy(azurite.table_port, seed=seed, rates=RATES, methods=METHODS) as proxy:

            def job(number: int, seconds: float = WORK_SECONDS) -> Job:
                return Job(
                    connection_string=proxy.redirect(azurite.connection_string),
                    table=table_name,
                    tenant_id=tenant_id,
                    name=f"worker{number}",
                    seed=1000 * seed + number,
                    skew_seconds=SKEWS_SECONDS[number % len(SKEWS_SECONDS)],
                    seconds=seconds,
                    log=str(tmp_path / f"{number}.log"),
                )

            with running(job(0)) as one, running(job(1)) as other, running(job(2)) as victim:
                wait_for_log(tmp_path / "2.log", 60, victim)
                os.kill(victim.pid, signal.SIGKILL)
                victim.wait()
                with running(job(3, WORK_SECONDS / 2)) as successor:
                    assert [process.wait(timeout=120) for process in (one, other, successor)] == [0, 0, 0]
            faults = Counter({str(fault): number for fault, number in proxy.counts.items() if fault})

        await settle(table, partition)
        findings = await check_tenant(table, tenant_id)
        feed = await read_feed(table, partition, 0, await last_sequence(table, partition) + 1)
        state = await read_state(open_directory(table, tenant_id))

    outcomes = read_outcomes(tmp_path)
    told = Counter(entry.correlation_id for entry in feed)
    counts = Counter(outcomes.values())
    summary = {"faults": dict(faults), "outcomes": dict(counts), "events": len(feed)}
    record_property("chaos", json.dumps(summary))
    logging.getLogger(__name__).info("chaos %s", json.dumps(summary))

    assert findings == []
    assert [entry.sequence for entry in feed] == list(range(1, len(feed) + 1))
    for correlation_id, outcome in outcomes.items():
        match outcome:
            case Outcome.WRITTEN:
                assert told[correlation_id] == 1, f"{correlation_id} was acknowledged"
            case Outcome.NOTHING_TO_DO | Outcome.REFUSED:
                assert told[correlation_id] == 0, f"{correlation_id} was not done"
            case _:
                assert told[correlation_id] <= 1, f"{correlation_id} was done twice"
    assert told.keys() <= outcomes.keys()
    assert replay(feed) == state
    assert faults.total() > 20
    assert counts[Outcome.WRITTEN] > 50
