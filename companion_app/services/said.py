"""What a device or a host refuses, in the person's language.

The commonest sentences are translated whole: they are known by their words, and what stands in them is taken over. So
devices of all versions are understood, whose answers have a code and a sentence. Of all others, a headline is told by the
error's code, then their own English words.
"""

from __future__ import annotations

import re
from functools import lru_cache

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


# As `edge_runtime` and `trainer_host` say them; a test finds each in their code. A field is any text without a line's end.
_SENTENCES = (
    N_("There is no specialist '{name}' on this device (it has {have})."),
    N_("There is no specialist '{name}' on this device."),
    N_("'{name}' has no previous bundle to go back to."),
    N_("'{name}' was changed by somebody else a moment ago; look again what serves."),
    N_("'{name}' is still being loaded; ask again in some seconds."),
    N_("{waiting} requests wait already; try again in {seconds} s."),
    N_("This token may send {most} requests a minute; wait a moment."),
    N_("This needs a token; pair with '{command}' on the device and send the token as '{header}'."),
    N_("The device doesn't know this token, or it has ended; pair with '{command}' on the device and send the token as '{header}'."),
    N_("The host doesn't know this token; pair with a code from '{command}', and send the token as '{header}'."),
    N_("This needs the scope {scope}, and the token's is {other}; pair again with a code of '{command}'."),
    N_("There is no valid pairing code; run '{command}' on the device for a new one."),
    N_("The code is wrong, or somebody stands between you and the device; that was the last try."),
    N_("The code is wrong, or somebody stands between you and the device; {left} more tries."),
    N_("The code is wrong, or somebody stands between you and the device; 1 more try."),
    N_("The code is wrong, or somebody stands between you and the device."),
    N_("This pairing took too long or was begun elsewhere; begin again."),
    N_("The device doesn't pair as this version does; update the older one."),
    N_("The device's answer was changed on its way; pair again with a new code."),
    N_("The device needs {lacking} MB more free space for this bundle, so nothing was changed; free some space and try again."),
    N_("The disk of {folder} is full, so nothing was changed; free some space and try again."),
    N_("The bundle is signed by {signer}, which this device doesn't trust; pair the host that made it, or add its key with '{command}'."),
    N_("The bundle's signature is wrong: the file was changed after signing; copy or build it again."),
    N_("This device takes releases from its repository of updates alone, so only its owner may choose here what serves; give the version out with '{command}', or ask the owner."),
    N_("There is a run '{name}' already; choose another name."),
    N_("'{run}' is {state} already, as {id}; cancel that, or wait until it has ended."),
    N_("{number} jobs are waiting already; cancel one, or wait until one is done."),
    N_("There is a dataset '{name}' already; choose another name for the lesson."),
    N_("The model took too long to answer."),
    N_("{runs} are being examined; wait until that is done, or cancel it."),
    N_("The run '{name}' has no model files yet; run 'enigma export {again}'."),
    N_("The package '{name}' is missing on the host; install Enigma with the extra 'trainer' there."),
    N_("The device is starting; try again in a second."),
    N_("The device is stopping; try again when it is back."),
    N_("The device is starting, or another bundle is being installed; try again soon."),
    N_("The device spares itself ({reasons}) and answers only requests {wanted}."),
    N_("The model gave its memory back; ask again."),
    N_("The device has {number} pairings already; remove one first."),
    N_("The upload broke off; send it again."),
    N_("The upload stood still for {seconds} seconds; send it again."),
    N_("The upload ended after {taken} of {total} bytes; send it again."),
    N_("The device stopped while it did this; look how it stands before you ask for it again."),
    N_("'{name}' has no bundle {bundle} on this device any more; push it again."),
    N_("The bundle {bundle} on disk is damaged; push it again."),
    N_("This device trusts no signer yet; pair a host, or add its key with '{command}'."),
    N_("This device takes bundles only from the repository of updates that it follows; publish there, with '{command}'."),
    N_("This device follows no repository of updates; see '{command}'."),
    N_("This device has no hook '{name}'; its owner can put one into the folder that 'hooks' under [update] names."),
    N_("This device can't start itself again; let its supervisor do it."),
    N_("This device arms no robot from afar: run enigma-bridge robot arm on its machine, or set may_arm in [robot]."),
    N_("{most} watch the robot already; close one and try again."),
    N_("This token is good for {only}, not for '{name}'."),
    N_("This token is good for {only}, not for the robot; it may stop it."),
    N_("The host has {number} pairings, the most; end one with '{command}'."),
    N_("The host isn't called by this name; use its address, or tell it the name with --allow-host NAME."),
    N_("Another answer is being written here; ask again."),
    N_("Another answer is being paid for; ask again."),
    N_("'{name}' isn't a language model, so it can't chat."),
    N_("Teachers don't chat here; start '{command}' with --chat-budget DOLLARS to let them."),
    N_("{provider} took too long; ask again."),
    N_("Only specialists of one task can be compared."),
    N_("There is no such comparison, or it has its vote; ask both again."),
    N_("'{name}' has other rows by now; look at them again."),
    N_("The host has {number} listeners already; close one and try again."),
    N_("There is no such exam any more; examine the runs again."),
    N_("{name} can't be imported; files are {kinds}, or a .zip of them."),
    N_("These files aren't here any more; drop them again."),
    N_("There is no such job; it may have been long ago."),
    N_("This is done already; begin another one."),
    N_("This is {state}; only what runs or waits can be ended."),
    N_("There are no keys to export."),
    N_("There is no such key."),
    N_("There is no such provider."),
    N_("The key stands in another field too; there it would be shown."),
    N_("There is a provider '{provider}' with other settings; choose another name."),
    N_("'{name}' is built in and stays; its keys can be removed."),
    N_("'{provider}' has a key named '{name}'; choose another name, or replace it with {how}."),
    N_("Keys of '{provider}' belong to {address}; remove them, or choose another name."),
    N_("The key vault can't be opened now; look at the terminal where '{command}' runs."),
    N_("This key comes from the variable {name} of the host's environment; change it there."),
    N_("Another estimate is being made; ask again."),
    N_("The estimate took too long; ask for fewer tasks."),
    N_("Both answers are the same, so none is better."),
    N_("'{name}' is {state}, as {id}; pause it first."),
    N_("Nothing was trained here yet."),
    N_("That took too long; do it on the host itself."),
    N_("There is no such lesson."),
    N_("There is a lesson '{name}' already; resume it, or choose another name."),
    N_("This lesson is done; begin another one."),
    N_("This lesson doesn't run."),
    N_("The host is stopping."),
    N_("{number} lessons are waiting already; cancel one, or wait until one is done."),
    N_("There is a run '{name}' already; choose another name, or send \"replace\": true."),
    N_("A {task} writes no text, so it can't learn from preferences; choose a run that does."),
    N_("There are {number} votes and thumbs on answers of the task {task}; {least} or more are needed. Put thumbs on answers in the chat, vote there with two models, or compare two runs."),
    N_("All thumbs are down, so nothing says what to write instead; put some up, too."),
    N_("The host is asking models for others; try again."),
    N_("The process that asks models ended; the host's log says why."),
)  # fmt: skip


def refusal(code: str, sentence: str) -> str:
    """One or two sentences for a person. sentence: what the other side said, in English."""
    if language() == ENGLISH:
        return sentence
    for pattern, known in _patterns():
        if found := pattern.fullmatch(sentence):
            return tr(known, **found.groupdict())
    headline = tr(_HEADLINES.get(code, _HEADLINES["error"]))
    return tr("{headline} In its own words: {said}", headline=headline, said=sentence)


@lru_cache(1)
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    """A pattern for each known sentence; its groups are the fields."""
    made = []
    for known in _SENTENCES:
        parts = re.split(r"\{(\w+)\}", known)
        texts = [re.escape(part) if at % 2 == 0 else f"(?P<{part}>.+?)" for at, part in enumerate(parts)]
        made.append((re.compile("".join(texts)), known))
    return tuple(made)
