"""What a device or a host refuses, in the person's language: a headline by the error's code, then its own English words."""

from __future__ import annotations

from companion_app.i18n import N_, language, tr
from companion_app.i18n.languages import ENGLISH

# By the codes of `edge_runtime.errors` and `trainer_host.server.errors`; a test holds them complete.
_HEADLINES = {
    "config": N_("Its settings can't be used."),
    "state": N_("Its folder can't be used."),
    "bad_request": N_("It can't do what was asked."),
    "invalid": N_("Something in what was asked can't be."),
    "conflict": N_("What is there already stands against it."),
    "too_large": N_("That is too large."),
    "unauthorized": N_("It doesn't know this companion any more; pair with it again."),
    "forbidden": N_("This pairing isn't allowed to do that."),
    "pairing": N_("The code wasn't taken: it is wrong, used, or too old."),
    "not_found": N_("That isn't there."),
    "not_acceptable": N_("It can't answer in that form."),
    "method_not_allowed": N_("It can't do that; it may be of another version."),
    "overloaded": N_("It has too much to do now; try again in a moment."),
    "too_many": N_("This pairing asks too often; try again in a moment."),
    "deadline": N_("There was no answer in time."),
    "queue_full": N_("Too many requests wait already; try again in a moment."),
    "out_of_memory": N_("There is too little memory for that now."),
    "stuck": N_("The model doesn't answer; it is loaded anew."),
    "bundle": N_("The bundle is damaged."),
    "untrusted_signer": N_("The bundle isn't signed by a key that is trusted there."),
    "unsupported_runtime": N_("Nothing in the bundle runs there."),
    "admission": N_("The bundle didn't pass its golden examples there."),
    "took_too_long": N_("The bundle took too long to load there."),
    "missing_base": N_("The model that the bundle builds upon isn't there."),
    "unknown_task": N_("The bundle is for a newer version."),
    "engine": N_("The model can't be run there."),
    "not_equipped": N_("A program that this needs is missing there."),
    "interrupted": N_("It was stopped in the middle of that; look how far it came."),
    "storage_full": N_("There is too little free space."),
    "unreachable": N_("It can't be reached, or answers as nothing of Enigma does."),
    "error": N_("That didn't work."),
}


def refusal(code: str, sentence: str) -> str:
    """One or two sentences for a person. sentence: what the other side said, in English."""
    if language() == ENGLISH:
        return sentence
    headline = tr(_HEADLINES.get(code, _HEADLINES["error"]))
    return tr("{headline} In its own words: {said}", headline=headline, said=sentence)
