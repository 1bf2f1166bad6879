"""Microsoft's worker library in this process: loads ``function_app.py`` and invokes its functions.

The library keeps its registry in module globals, so a process has one worker. The order of calls is that of
the Functions host: worker init (which imports the app), functions metadata, function load, invocations.
"""

import importlib
import json
import logging
import os
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from scimgw.localhost import messages
from scimgw.localhost.failures import CannotStart

# What the worker library says of itself: an INFO line per invocation is a fifth of the worker's CPU time.
_QUIET_LOGGERS = ("azure.functions", "azure_functions_runtime", "azure_functions_worker")
_SCRIPT_ROOT_VARIABLE = "AzureWebJobsScriptRoot"


@dataclass(frozen=True, slots=True)
class Function:
    """One function of the app.

    Attributes:
        id: The worker's own identifier.
        name: As declared; unique in the app.
        trigger: Its trigger binding as in ``function.json``: ``type``, ``name`` and the trigger's settings.
    """

    id: str
    name: str
    trigger: Mapping[str, Any]

    @property
    def trigger_type(self) -> str:
        """The trigger's type in lower case, such as ``httptrigger``."""
        return str(self.trigger["type"]).lower()


class FunctionFailed(Exception):
    """A function raised, or returned what its binding cannot carry. The text ends with the stack trace."""


class Worker:
    """The worker of one app folder."""

    def __init__(self, app_dir: Path) -> None:
        """Name the folder.

        Raises:
            CannotStart: It has no ``function_app.py``.
        """
        if not (app_dir / "function_app.py").is_file():
            raise CannotStart(f"There is no function_app.py in {app_dir}.")
        self._app_dir = str(app_dir.resolve())

    async def start(self) -> list[Function]:
        """Import the app and return its functions.

        Raises:
            CannotStart: ``function_app.py`` does not load.
        """
        os.environ[_SCRIPT_ROOT_VARIABLE] = self._app_dir
        os.environ["FUNCTIONS_WORKER_RUNTIME"] = "python"
        os.chdir(self._app_dir)
        sys.path.insert(0, self._app_dir)
        for name in _QUIET_LOGGERS:
            logging.getLogger(name).setLevel(logging.WARNING)
        self._runtime = importlib.import_module("azure_functions_runtime")
        # Without it, synchronous functions share asyncio's default threads with everything else.
        self._runtime.start_threadpool_executor()
        init = SimpleNamespace(capabilities={}, function_app_directory=self._app_dir, host_version="4.0.0")
        answer = await self._runtime.worker_init_request(
            SimpleNamespace(
                request=SimpleNamespace(worker_init_request=init),
                properties={"protos": messages, "host": "127.0.0.1"},
            )
        )
        if answer.result.status != messages.StatusResult.Success:
            failure = answer.result.exception
            raise CannotStart(f"function_app.py does not load: {failure.message}\n{failure.stack_trace}")
        answer = await self._runtime.functions_metadata_request(SimpleNamespace())
        return [await self._load(metadata) for metadata in answer.function_metadata_results or ()]

    def stop(self) -> None:
        """Wait for synchronous functions that still run, and end their threads."""
        self._runtime.stop_threadpool_executor()

    async def invoke(self, function: Function, argument: messages.TypedData, trace_parent: str = "") -> Any:
        """Call a function with its trigger's value and return what it returned, a ``TypedData`` or None.

        Raises:
            FunctionFailed: The function raised.
        """
        invocation = SimpleNamespace(
            invocation_id=str(uuid.uuid4()),
            function_id=function.id,
            trigger_metadata={},
            input_data=[messages.ParameterBinding(name=function.trigger["name"], data=argument)],
            trace_context=SimpleNamespace(trace_parent=trace_parent, trace_state="", attributes={}),
            retry_context=SimpleNamespace(retry_count=0, max_retry_count=0, exception=None),
        )
        answer = await self._runtime.invocation_request(
            SimpleNamespace(request=SimpleNamespace(invocation_request=invocation))
        )
        if answer.result.status != messages.StatusResult.Success:
            raise FunctionFailed(answer.result.exception.stack_trace or answer.result.exception.message)
        return answer.return_value

    async def _load(self, metadata: Any) -> Function:
        load = SimpleNamespace(function_id=metadata.function_id, metadata=metadata)
        await self._runtime.function_load_request(
            SimpleNamespace(request=SimpleNamespace(function_load_request=load))
        )
        bindings = [json.loads(binding) for binding in metadata.raw_bindings]
        trigger = next(binding for binding in bindings if binding["type"].lower().endswith("trigger"))
        return Function(metadata.function_id, metadata.name, trigger)
