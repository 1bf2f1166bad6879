"""The mutation test of the simulator: a server that is wrong in one way never gets away with it."""

import asyncio

import pytest
from pydantic import SecretStr

from scimgw.simulate.authorization import StaticToken
from scimgw.simulate.entra_bodies import Dialect
from scimgw.simulate.simulation import Options, Outcome, simulate
from scimgw.simulate.stages import NoProgress
from tests.unit.scimgw.defects import COMPLIANT, LEGACY, OKTA, SEEDED, Seeded
from tests.unit.scimgw.scim_server import TOKEN, Defect, running


def run(dialect: str, defect: Defect | None = None) -> Outcome:
    with running(defect) as server:
        options = Options(
            url=server.url,
            dialect=None if dialect == OKTA else Dialect(dialect),
            users=12,
            groups=3,
            members=5,
            concurrency=4,
            seed=1,
            prefix="run",
            has_credential=True,
            clean=True,
        )
        return asyncio.run(simulate(options, StaticToken(SecretStr(TOKEN)), NoProgress()))


@pytest.mark.parametrize("dialect", [LEGACY, COMPLIANT, OKTA])
def test_a_correct_server_agrees_with_everything(dialect):
    outcome = run(dialect)

    assert outcome.record.disagreements == []
    assert outcome.record.operations > 150


@pytest.mark.parametrize(
    ("seeded", "dialect"),
    [pytest.param(s, d, id=f"{s.name}-{d}") for s in SEEDED for d in s.dialects],
)
def test_a_defect_is_told(seeded: Seeded, dialect):
    """Every defect ends in a disagreement that says what is wrong, in one line."""
    outcome = run(dialect, seeded.make())

    told = [str(item) for item in outcome.record.disagreements]
    assert not outcome.record.agreed
    assert any(seeded.told in line for line in told), told[:5]
    assert all("\n" not in line for line in told)
