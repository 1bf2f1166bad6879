"""What a connection goes to is what was checked; what comes back is bounded."""

import asyncio
import socket

import pytest
from aiohttp import web

from events.addresses import AddressRefused
from events.sender import ANSWER_BYTES_MAX, CheckingResolver, Sender


@pytest.fixture
async def serve():
    """Serve a handler on a free port of this machine and return its URL."""
    runners = []

    async def start(handler):
        app = web.Application()
        app.router.add_post("/{path:.*}", handler)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        runners.append(runner)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/"

    yield start
    for runner in runners:
        await runner.cleanup()


@pytest.fixture
async def local():
    sender = Sender(allows_private=True, seconds_max=60.0)
    yield sender
    await sender.close()


@pytest.fixture
async def strict():
    sender = Sender(seconds_max=60.0)
    yield sender
    await sender.close()


@pytest.fixture
def names(monkeypatch):
    """Answer look-ups from a list: each time the next answer, so that a second one shows."""
    asked = []

    def install(*answers):
        async def getaddrinfo(host, port, **options):
            asked.append(host)
            found = answers[min(len(asked), len(answers)) - 1]
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (text, port)) for text in found]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
        return asked

    return install


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["10.1.2.3"], ["169.254.169.254"], ["8.8.8.8", "10.0.0.1"]]
)
async def test_name_with_a_private_address_is_refused(strict, names, addresses):
    """All addresses must be public: which one a connection takes is chance."""
    names(addresses)

    outcome = await strict.post("https://app.example/", b"", {})

    assert (outcome.status, outcome.is_delivered) == (0, False)
    assert outcome.reason.startswith("refused: ")


async def test_name_is_resolved_once_and_the_connection_goes_there(names):
    """DNS rebinding: a second look-up that says something else does not happen."""
    asked = names(["8.8.8.8"], ["127.0.0.1"])

    found = await CheckingResolver(allows_private=False).resolve("app.example", 443)

    assert [one["host"] for one in found] == ["8.8.8.8"]
    assert asked == ["app.example"]


async def test_each_new_connection_is_checked_anew(strict, names):
    asked = names(["127.0.0.1"])
    await strict.post("https://app.example/", b"", {})
    await strict.post("https://app.example/", b"", {})

    assert asked == ["app.example", "app.example"]


async def test_address_of_this_machine_is_refused_without_a_connection(strict, serve):
    called = []

    async def handler(request):
        called.append(request)
        return web.Response()

    url = (await serve(handler)).replace("http:", "https:")

    assert "not on the public internet" in (await strict.post(url, b"", {})).reason
    assert called == []


async def test_plain_http_is_refused(strict):
    assert "https" in (await strict.post("http://app.example/", b"", {})).reason


async def test_resolver_refuses_mapped_and_scoped_addresses(names):
    resolver = CheckingResolver(allows_private=False)
    for text in ("::ffff:10.0.0.1", "fe80::1%eth0"):
        names([text])
        with pytest.raises(AddressRefused):
            await resolver.resolve("app.example", 443)


async def test_redirection_is_not_followed(local, serve):
    paths = []

    async def handler(request):
        paths.append(request.path)
        raise web.HTTPTemporaryRedirect("/elsewhere")

    outcome = await local.post(await serve(handler), b"", {})

    assert (outcome.status, outcome.is_delivered, paths) == (307, False, ["/"])


async def test_answer_that_does_not_come_is_given_up(serve):
    async def handler(request):
        await asyncio.Event().wait()

    impatient = Sender(allows_private=True, seconds_max=0.2)
    async with asyncio.timeout(30):
        outcome = await impatient.post(await serve(handler), b"", {})
    await impatient.close()

    assert outcome.reason == "no answer in time"


async def test_endless_answer_is_not_read(local, serve):
    async def handler(request):
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * ANSWER_BYTES_MAX)

    assert (await local.post(await serve(handler), b"", {})).is_delivered


@pytest.mark.parametrize(
    ("header", "seconds"), [("120", 120), ("", 0), ("soon", 0), ("-1", 0), ("9" * 30, 0), ("1.5", 0)]
)
async def test_retry_after_is_read_where_it_is_a_number(local, serve, header, seconds):
    async def handler(request):
        return web.Response(status=503, headers={"Retry-After": header})

    assert (await local.post(await serve(handler), b"", {})).retry_after_seconds == seconds


async def test_nobody_listening_is_a_failure_not_an_error(local):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        outcome = await local.post(f"http://127.0.0.1:{free.getsockname()[1]}/", b"", {})

    assert (outcome.status, outcome.reason) == (0, "cannot connect")
