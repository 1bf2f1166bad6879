"""Stand-ins for the protobuf messages that Microsoft's worker library exchanges with the Functions host.

The library imports no protobuf: it takes the message classes from the module that ``worker_init_request``
hands it, here this one, and reads and writes plain attributes. The names are those of the Functions host's
``FunctionRpc.proto``; only what HTTP and timer triggers touch is here.
"""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, ClassVar


class Message:
    """A message: its fields by keyword. A field that is left out or None has the default, as in protobuf."""

    defaults: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, **fields: Any) -> None:
        own = self.__dict__
        own.update(self.defaults)
        for name, value in fields.items():
            if value is not None:
                own[name] = value

    def __getattr__(self, name: str) -> Any:
        """Only for type checkers: every field is an attribute of its own."""
        raise AttributeError(name)


class StatusResult(Message):
    """How a request to the worker ended."""

    Failure, Success, Cancelled = range(3)
    defaults: ClassVar[Mapping[str, Any]] = {"status": Failure, "exception": None}


class RpcException(Message):
    """What a function raised."""

    defaults: ClassVar[Mapping[str, Any]] = {"message": "", "stack_trace": ""}


class BindingInfo(Message):
    """One binding of a function; directions and data types as the library compares them."""

    out, inout = 1, 2  # codespell:ignore inout
    undefined, string, binary, stream = range(4)
    defaults: ClassVar[Mapping[str, Any]] = {"type": "", "direction": 0, "data_type": undefined}


class RpcFunctionMetadata(Message):
    """A function and its ``raw_bindings``, each a JSON text."""


class RpcRetryOptions(Message):
    """A function's retry policy."""


class WorkerMetadata(Message):
    """Which Python and which worker answer."""


class WorkerInitResponse(Message):
    """The answer to worker init: capabilities, or why ``function_app.py`` does not load."""


class FunctionMetadataResponse(Message):
    """The functions of the app; None where there is no ``function_app.py``."""

    defaults: ClassVar[Mapping[str, Any]] = {"function_metadata_results": None}


class FunctionLoadResponse(Message):
    """The answer to loading one function."""


class InvocationResponse(Message):
    """What a function returned."""

    defaults: ClassVar[Mapping[str, Any]] = {"return_value": None, "output_data": ()}


class TypedData(Message):
    """A value of one kind, ``http``, ``json``, ``bytes``, ``string`` …; made with at most one of them."""

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)
        self._kind = next(iter(fields), None)

    def WhichOneof(self, _group: str) -> str | None:  # noqa: N802 - protobuf's own name
        """Say which kind it is."""
        return self._kind


class ParameterBinding(Message):
    """An argument of a function, by name."""

    def WhichOneof(self, _group: str) -> str:  # noqa: N802 - protobuf's own name
        """Say that the argument is in ``data``; the other way, shared memory, is not used here."""
        return "data"


class RpcHttp(Message):
    """A request or a response."""

    defaults: ClassVar[Mapping[str, Any]] = {
        "body": TypedData(),
        "headers": {},
        "params": {},
        "query": {},
        "cookies": (),
    }


class RpcHttpCookie(Message):
    """A cookie of a response; its attributes are nullable messages."""

    SameSite = SimpleNamespace(**{"None": 0, "Lax": 1, "Strict": 2, "ExplicitNone": 3})
    defaults: ClassVar[Mapping[str, Any]] = dict.fromkeys(
        ("domain", "path", "expires", "secure", "http_only", "max_age", "same_site")
    )


class Nullable(Message):
    """A message that wraps one ``value``."""


NullableString = NullableBool = NullableDouble = NullableTimestamp = Nullable


class Timestamp(Message):
    """Seconds since 1970."""
