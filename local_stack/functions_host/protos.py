"""Stand-ins for the worker's generated protobuf module, as far as azure_functions_runtime 1.3.0 touches it.

The worker is handed "the protos" at init and only constructs messages and reads attributes,
so plain objects do; neither gRPC nor protoc is needed.
"""

from typing import Any


class Message:
    """A protobuf message by duck type: keyword arguments become fields."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.__dict__!r})"


class TypedData(Message):
    """One value on its way to or from a function: exactly one of string, bytes, json, http, int, double …"""

    def WhichOneof(self, _group: str) -> str | None:  # noqa: N802 - protobuf's name
        """The name of the field that is set, or None."""
        return next((name for name, value in self.__dict__.items() if value is not None), None)


class ParameterBinding(Message):
    """A function's argument (or output) by name; always carries data, never shared memory."""

    def WhichOneof(self, _group: str) -> str:  # noqa: N802 - protobuf's name
        """Always `data`."""
        return "data"


class StatusResult(Message):
    """How init, indexing or an invocation ended."""

    Failure, Success, Cancelled = 0, 1, 2


class BindingInfo(Message):
    """A binding's type and direction, in the numbers of FunctionRpc.proto."""

    out, inout, undefined = 1, 2, -1


class RpcHttpCookie(Message):
    """One Set-Cookie of a response."""

    class SameSite:
        """The enum's numbers in FunctionRpc.proto; 0 is `None`, meaning not stated."""

        Lax, Strict, ExplicitNone = 1, 2, 3


# Python keywords, so they can't be written as class attributes.
setattr(BindingInfo, "in", 0)
setattr(RpcHttpCookie.SameSite, "None", 0)


class RpcHttp(Message):
    """A request for, or a response from, an HTTP function."""


class RpcException(Message):
    """A function's exception: message and stack_trace."""


class WorkerInitResponse(Message):
    """Answer to init: capabilities and result."""


class WorkerMetadata(Message):
    """The worker's own versions."""


class FunctionMetadataResponse(Message):
    """Answer to indexing: function_metadata_results."""


class FunctionLoadResponse(Message):
    """Answer to a load request."""


class InvocationResponse(Message):
    """Answer to an invocation: result, return_value, output_data."""


class RpcFunctionMetadata(Message):
    """One indexed function: name, function_id, raw_bindings."""


class RpcRetryOptions(Message):
    """A function's retry policy."""


class FunctionEnvironmentReloadResponse(Message):
    """Answer to a reload; only placeholder mode asks for it."""


class NullableString(Message):
    """A cookie's optional text."""


class NullableBool(Message):
    """A cookie's optional flag."""


class NullableDouble(Message):
    """A cookie's optional number."""


class NullableTimestamp(Message):
    """A cookie's optional time."""
