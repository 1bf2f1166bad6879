"""What a stranger could learn from how long a refusal takes: nothing that is beyond noise."""

import itertools
import secrets
import time
import uuid

import pytest

from tenants.secret_format import Prefix, render_secret

pytestmark = pytest.mark.xdist_group("oauth gateway")

# Attempts of each kind.
ATTEMPTS = 40
# Which of them counts, from the fastest: a busy machine makes attempts slower and none faster, so fast ones
# tell what is done, and the others how busy the machine is. Not the fastest: one in eight must be so fast.
COUNTED = ATTEMPTS // 8
# A generous bound: a refusal from memory takes 1 ms, one that reads the emulator's tables 4 to 6. The noise
# is whatever else the machine does.
RATIO_MAX = 1.6
SLACK_SECONDS = 0.0015


@pytest.fixture(scope="module")
def tenant_id(gateway):
    return gateway.make_tenant()


@pytest.fixture(scope="module")
def suspended_id(gateway):
    tenant_id = gateway.make_tenant()
    gateway.manage("POST", f"/tenants/{tenant_id}/suspend")
    return tenant_id


@pytest.fixture(scope="module")
def client(gateway, tenant_id):
    return gateway.issue(tenant_id, kind="oauth-client", label="oracle")


def made_up_secret(tenant_id, credential_id):
    """Of the right form: a wrong form is refused before anything is looked up, whatever the tenant."""
    return render_secret(Prefix.CLIENT_SECRET, tenant_id, credential_id, secrets.token_bytes(32))


def measure(kinds):
    """Return the seconds of a fast attempt of each kind, tried in turns so that noise hits all."""
    taken = {name: [] for name in kinds}
    for _, (name, attempt) in itertools.product(range(ATTEMPTS), kinds.items()):
        started = time.perf_counter()
        answer = attempt()
        taken[name].append(time.perf_counter() - started)
        assert answer.status_code == 401, (name, answer.text)
    return {name: sorted(times)[COUNTED] for name, times in taken.items()}


def assert_alike(times):
    fastest, slowest = min(times.values()), max(times.values())
    assert slowest <= fastest * RATIO_MAX + SLACK_SECONDS, times


@pytest.fixture
def ask_token(gateway, source):
    def ask(tenant_id, client_id, secret):
        return gateway.session.post(
            gateway.token_url(tenant_id),
            data={"grant_type": "client_credentials"},
            auth=(client_id, secret),
            headers=source(),
            timeout=30,
        )

    return ask


def test_token_endpoint_takes_as_long_for_every_refusal(tenant_id, suspended_id, client, ask_token):
    """The same guess again and again, as when someone knows one id and asks what it is."""
    unknown_id, stranger = str(uuid.uuid4()), secrets.token_hex(8)
    known = client["client_id"]
    guesses = {
        "unknown tenant": (unknown_id, stranger, made_up_secret(unknown_id, stranger)),
        "suspended tenant": (suspended_id, stranger, made_up_secret(suspended_id, stranger)),
        "unknown client": (tenant_id, stranger, made_up_secret(tenant_id, stranger)),
        "wrong secret": (tenant_id, known, made_up_secret(tenant_id, known)),
    }

    assert_alike(measure({name: lambda g=guess: ask_token(*g) for name, guess in guesses.items()}))


def test_first_guess_takes_as_long_for_every_refusal(tenant_id, suspended_id, ask_token):
    """Nothing is remembered of what is asked for the first time: it must be looked up all the same."""

    def guess(tenant):
        stranger = secrets.token_hex(8)
        tenant = tenant or str(uuid.uuid4())
        return ask_token(tenant, stranger, made_up_secret(tenant, stranger))

    kinds = {
        "unknown tenant": lambda: guess(None),
        "suspended tenant": lambda: guess(suspended_id),
        "known tenant": lambda: guess(tenant_id),
    }

    assert_alike(measure(kinds))


def test_scim_takes_as_long_for_every_forged_access_token(gateway, tenant_id, suspended_id, client, source):
    token = gateway.session.post(
        gateway.token_url(tenant_id),
        data={"grant_type": "client_credentials"},
        auth=(client["client_id"], client["client_secret"]),
        timeout=30,
    ).json()["access_token"]
    numbers = itertools.count()

    def ask(tenant):
        head, body, signature = token.split(".")
        forged = f"{head}.{body}.{next(numbers):06d}{signature[6:]}"
        return gateway.session.get(
            f"{gateway.url}/scim/{tenant}/Users",
            headers={"Authorization": f"Bearer {forged}", **source()},
            timeout=30,
        )

    unknown_id = str(uuid.uuid4())
    kinds = {
        "unknown tenant": lambda: ask(unknown_id),
        "suspended tenant": lambda: ask(suspended_id),
        "known tenant": lambda: ask(tenant_id),
    }

    assert_alike(measure(kinds))
