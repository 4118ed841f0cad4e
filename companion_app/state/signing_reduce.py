"""`reduce_signing(action, state)`: the part of the state that is about updates that wait for a signature."""

from __future__ import annotations

from dataclasses import replace
from functools import singledispatch

from companion_app.state import signing_actions as sact
from companion_app.state.model import AppState
from companion_app.state.signing import Signing


def reduce_signing(action: sact.SigningAction, state: AppState) -> AppState:
    """The state after `action`; the same object if nothing changed."""
    signing = _reduce(action, state.signing)
    return state if signing == state.signing else replace(state, signing=signing)


@singledispatch
def _reduce(action: object, signing: Signing) -> Signing:
    raise TypeError(f"{type(action).__name__} is not an action about signatures")


@_reduce.register
def _(action: sact.KeyFound, signing: Signing) -> Signing:
    return replace(signing, public=action.public)


@_reduce.register
def _(action: sact.SignaturesTold, signing: Signing) -> Signing:
    return replace(signing, known=True, asks=action.asks, problem=None)


@_reduce.register
def _(action: sact.SigningStarted, signing: Signing) -> Signing:
    return replace(signing, busy=action.role, done=None, refused=None)


@_reduce.register
def _(action: sact.SignedUpdate, signing: Signing) -> Signing:
    return replace(signing, known=True, busy="", asks=action.asks, done=action.sentence)


@_reduce.register
def _(action: sact.SigningRefused, signing: Signing) -> Signing:
    return replace(signing, busy="", refused=(action.role, action.sentence))


@_reduce.register
def _(action: sact.SignaturesFailed, signing: Signing) -> Signing:
    return replace(signing, problem=action.sentence)
