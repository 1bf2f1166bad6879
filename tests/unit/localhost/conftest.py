"""Function apps for the tests of the local host."""

import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.unit.localhost.apps import App, start_app


@pytest.fixture(scope="module")
def serve_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., App]]:
    """Serve apps until the module's tests have run; each must end well when its standard input closes."""
    processes: list[subprocess.Popen[str]] = []

    def serve(source: str, host_json: Any = None, **environment: str) -> App:
        app, process = start_app(tmp_path_factory.mktemp("app"), source, host_json, **environment)
        processes.append(process)
        assert app.port, app.log.read_text()
        return app

    yield serve
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
    for process in processes:
        assert process.wait(60) == 0
        assert process.stdout is not None
        process.stdout.close()
