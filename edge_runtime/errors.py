"""The one tree of errors of a device: each has a sentence for a person and the HTTP status that fits."""

from __future__ import annotations


class EdgeError(Exception):
    """Base of every error that `edge_runtime` raises on purpose; `str(error)` is a sentence for a person."""

    status: int = 500
    code: str = "error"


class ConfigError(EdgeError):
    """The configuration file or a command-line value can't be used."""

    code = "config"


class StateError(EdgeError):
    """The state folder can't be used: in use by another daemon, not writable, or damaged."""

    code = "state"


class BadRequest(EdgeError):
    """The request is wrong; the sentence says what to change."""

    status = 400
    code = "bad_request"


class TooLarge(BadRequest):
    """The request's body is over the device's limit."""

    status = 413
    code = "too_large"


class Unauthorized(EdgeError):
    """No token, or a token that this device doesn't know."""

    status = 401
    code = "unauthorized"


class Forbidden(EdgeError):
    """The token is known, but its role (or the way the request came) doesn't allow this."""

    status = 403
    code = "forbidden"


class PairingError(Forbidden):
    """The pairing code is wrong, expired, used up, or none was issued."""

    code = "pairing"


class NotFound(EdgeError):
    """There is no such specialist or address on this device."""

    status = 404
    code = "not_found"


class NotAcceptable(EdgeError):
    """The answer isn't a file of the type that the request accepts."""

    status = 406
    code = "not_acceptable"


class Overloaded(EdgeError):
    """The device can't answer in time now; try again after `retry_after` seconds."""

    status = 503
    code = "overloaded"

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TooMany(Overloaded):
    """The token has sent all the requests that its limit allows; try again after `retry_after` seconds."""

    status = 429
    code = "too_many"


class DeadlinePassed(Overloaded):
    """There was no answer before the request's deadline; where it hadn't begun, it is never run."""

    status = 504
    code = "deadline"


class QueueFull(Overloaded):
    """As many requests wait for this specialist as may; others may have room."""

    status = 429
    code = "queue_full"


class OutOfMemory(Overloaded):
    """The specialist doesn't fit into the memory for models beside those that can't go now."""

    code = "out_of_memory"


class Stuck(Overloaded):
    """The model didn't come back from its runtime; it is loaded anew, or given up."""

    code = "stuck"


class BundleError(EdgeError):
    """The bundle is damaged or malformed."""

    status = 422
    code = "bundle"


class UntrustedSigner(BundleError):
    """The bundle isn't signed, or not by a key that this device trusts."""

    status = 403
    code = "untrusted_signer"


class UnsupportedRuntime(BundleError):
    """No model file in the bundle was scored in a runtime that this device has."""

    code = "unsupported_runtime"


class AdmissionError(BundleError):
    """The model loads, but doesn't answer its golden vectors as it did where it was made."""

    code = "admission"


class TookTooLong(AdmissionError):
    """A model didn't load, or didn't answer its golden vectors, in the time that it had."""

    code = "took_too_long"


class MissingBase(BundleError):
    """The bundle is an adapter, and the model that it is for isn't on this device."""

    code = "missing_base"


class UnknownTask(BundleError):
    """The bundle's task isn't one that this version of the runtime knows."""

    code = "unknown_task"


class EngineError(EdgeError):
    """A model file can't be opened or run by the runtime chosen for it."""

    code = "engine"


class NotEquipped(EdgeError):
    """The device lacks a program or a package that this answer needs; the sentence says which, and how to get it."""

    status = 501
    code = "not_equipped"


class Interrupted(EdgeError):
    """A command was under way when the device stopped; nobody knows how far it came."""

    status = 409
    code = "interrupted"


class StorageFull(EdgeError):
    """The device has too little free space."""

    status = 507
    code = "storage_full"


class DeviceUnreachable(EdgeError):
    """The device didn't answer, or not in time, or not as a device does."""

    status = 502
    code = "unreachable"


def by_code(code: str) -> type[EdgeError]:
    """The class whose `code` this is; `EdgeError` where this version knows none (a newer device)."""
    pending: list[type[EdgeError]] = [EdgeError]
    while pending:
        kind = pending.pop()
        if kind.code == code:
            return kind
        pending.extend(kind.__subclasses__())
    return EdgeError
