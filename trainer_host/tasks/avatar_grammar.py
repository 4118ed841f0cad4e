"""The built-in language of avatars: commands and lines, with what face and body do, by construction."""

from __future__ import annotations

import random
from dataclasses import dataclass

from edge_runtime.avatar.vocabulary import DEFAULTS

# Imperatives, so that they fit behind "please", "can you" and "I want you to".
FACES: dict[str, tuple[str, ...]] = {
    "happy": ("smile", "grin", "look happy", "beam", "give me a smile", "cheer up", "show some joy", "look cheerful", "laugh", "be glad"),
    "sad": ("look sad", "frown", "look down in the dumps", "pout", "be sad", "look heartbroken", "act like you lost something", "look unhappy"),
    "angry": ("look angry", "scowl", "get mad", "glare", "be furious", "look annoyed", "act outraged", "show some rage"),
    "afraid": ("look scared", "be afraid", "act frightened", "look terrified", "pretend you saw a ghost", "look anxious", "show fear"),
    "surprised": ("look surprised", "act amazed", "be astonished", "look shocked", "gasp", "pretend I startled you", "look stunned"),
    "disgusted": ("look disgusted", "act grossed out", "make a yuck face", "look revolted", "pretend it stinks"),
    "loving": ("look at me lovingly", "be affectionate", "look like you are in love", "be tender", "show some love"),
    "confused": ("look confused", "act puzzled", "look lost", "pretend you did not get it", "look baffled", "raise an eyebrow"),
    "bored": ("look bored", "act uninterested", "yawn", "look like this is dull", "seem fed up"),
    "proud": ("look proud", "act smug", "puff out your chest", "look pleased with yourself"),
    "shy": ("look shy", "blush", "be bashful", "act embarrassed", "look a little coy"),
    "neutral": ("relax your face", "stop smiling", "keep a straight face", "look neutral", "drop the expression"),
}  # fmt: skip
MOVES: dict[str, tuple[str, ...]] = {
    "wave": ("wave", "wave at me", "wave hello", "wave goodbye", "give me a wave", "wave your hand"),
    "nod": ("nod", "nod your head", "give me a nod", "nod yes"),
    "shake_head": ("shake your head", "shake your head no", "say no with your head"),
    "shrug": ("shrug", "shrug your shoulders", "give a shrug"),
    "point": ("point over there", "point at the door", "point at something", "point with your finger"),
    "thumbs_up": ("give a thumbs up", "show me a thumbs up", "put your thumb up", "do a thumbs up"),
    "thumbs_down": ("give a thumbs down", "show me a thumbs down", "put your thumb down"),
    "clap": ("clap", "clap your hands", "applaud", "give a round of applause"),
    "bow": ("bow", "take a bow", "bow to the audience", "bow your head"),
    "cross_arms": ("cross your arms", "fold your arms", "stand with your arms crossed"),
    "facepalm": ("facepalm", "do a facepalm", "put your palm on your face", "slap your forehead"),
    "heart_hands": ("make a heart with your hands", "show me heart hands", "form a heart with your fingers"),
    "dance": ("dance", "do a little dance", "bust a move", "show me your dance moves", "dance for me"),
    "jump": ("jump", "jump up and down", "hop", "do a jump"),
    "think": ("stroke your chin", "strike a thinking pose", "put a finger on your chin", "scratch your head"),
    "salute": ("salute", "give me a salute", "stand to attention and salute"),
    "beckon": ("wave me over", "beckon", "gesture for me to come closer", "call me over with your hand"),
    "tilt_head": ("tilt your head", "cock your head", "lean your head to one side"),
    "hands_up": ("raise your hands", "put your hands up", "throw your hands in the air", "lift both arms"),
}  # fmt: skip
LOOKS: dict[str, tuple[str, ...]] = {
    "user": ("look at me", "face me", "make eye contact", "eyes on me", "keep your eyes on me"),
    "away": ("look away", "avert your eyes", "do not look at me", "turn your eyes away"),
    "up": ("look up", "look at the ceiling", "gaze at the sky", "raise your eyes"),
    "down": ("look down", "look at the floor", "lower your eyes", "gaze at your feet"),
    "left": ("look left", "look to your left", "glance to the left"),
    "right": ("look right", "look to your right", "glance to the right"),
    "around": ("look around", "let your eyes wander", "scan the room", "glance around"),
    "closed": ("close your eyes", "shut your eyes", "keep your eyes shut"),
}  # fmt: skip
STRENGTHS: dict[str, tuple[str, ...]] = {
    "low": ("a little", "slightly", "a bit", "just faintly"),
    "high": ("a lot", "really strongly", "as much as you can", "intensely", "with all your heart"),
}
SPEEDS: dict[str, tuple[str, ...]] = {
    "quick": ("quickly", "fast", "in a hurry", "briskly"),
    "slow": ("slowly", "in slow motion", "very gently and slowly", "taking your time"),
}
OPENINGS = (
    "", "", "", "please ", "can you ", "could you ", "now ", "hey, ", "I want you to ", "I'd like you to ", "would you ", "go ahead and ",
    "okay, ", "try to ", "it is time to ", "for the camera, ",
)  # fmt: skip
CLOSINGS = ("", "", "", "", " please", " for me", " now", ", will you", " thanks", "!", ".")
# Frames of commands; {face+} is a face with its strength, {move+} a move with its speed.
FRAMES = (
    "{face}", "{face+}", "{move}", "{move+}", "{look}", "{face} and {move}", "{move} and {face}", "{look} and {face}",
    "{look} and {move}", "{face} and {look}", "{look}, {face} and {move}", "{face+} and {move}", "{move+} and {face}",
    "{look} and {face+}", "{face}, then {move}", "{move} while you {look}", "{face} while you {move}", "{move}, {face+}",
    "{look}, then {move+}", "{move+} and {look}", "{face+}, {look}", "first {look}, then {face}", "{move} and {face+}, and {look}",
    "do not stop, {face} and {move+}", "{face} but {look}",
)  # fmt: skip

# What an avatar is about to say, and what it does with it: emotion, strength, gesture, gaze.
_Way = tuple[str, str, str, str]
LINES: dict[_Way, tuple[str, ...]] = {
    ("happy", "medium", "wave", "user"): ("Hello there, nice to see you!", "Good morning, welcome back!", "Hi {name}, great that you came!", "Goodbye {name}, see you tomorrow!", "Bye bye, take care!"),
    ("happy", "high", "jump", "user"): ("We won, we actually won!", "This is the best day ever!", "I got the {prize}, I can't believe it!", "Yes! It worked at last!"),
    ("happy", "medium", "clap", "user"): ("Well done, {name}!", "Bravo, that was wonderful!", "Congratulations on your {prize}!", "What a performance, bravo!"),
    ("happy", "medium", "thumbs_up", "user"): ("Great job with the {thing}!", "Everything with the {thing} is fine.", "Sounds good to me.", "Perfect, let us do that."),
    ("happy", "low", "nod", "user"): ("Yes, exactly.", "Yes, you are right about the {thing}.", "I agree with you, {name}.", "Sure, of course."),
    ("sad", "medium", "none", "down"): ("I am so sorry about your {thing}.", "I miss {name} so much.", "That is really sad news.", "I lost my {thing} and it hurts."),
    ("sad", "high", "none", "closed"): ("My heart is broken, {name} is gone.", "I have been crying all night about the {thing}.", "I can't stop my tears."),
    ("angry", "high", "cross_arms", "user"): ("That is enough, {name}!", "How dare you touch my {thing}!", "I am furious about the {thing}!", "This is an outrage!"),
    ("angry", "medium", "thumbs_down", "user"): ("I do not like that {thing} at all.", "That was a terrible idea, {name}.", "No good, the {thing} is awful."),
    ("afraid", "high", "hands_up", "around"): ("Help, something is in the dark!", "Watch out, {name}, it is behind you!", "Please do not hurt me!", "There is a monster near the {thing}!"),
    ("afraid", "low", "none", "around"): ("I do not feel safe near the {thing}.", "Did you hear that noise, {name}?", "I am a little nervous about the {thing}."),
    ("surprised", "high", "hands_up", "user"): ("What? {name} is here?", "Wow, I did not expect the {thing}!", "No way, is that the {prize}?", "Oh my goodness!"),
    ("disgusted", "high", "shake_head", "away"): ("Yuck, the {thing} smells rotten!", "Ugh, take that {thing} away!", "Eww, I am not eating that."),
    ("loving", "high", "heart_hands", "user"): ("I love you, {name}.", "You mean the world to me, {name}.", "I adore you with all my heart."),
    ("confused", "medium", "shrug", "user"): ("I have no idea where the {thing} is.", "I do not know, {name}.", "No clue, sorry.", "Who knows what the {thing} is for?"),
    ("confused", "medium", "think", "up"): ("Hmm, let me think about the {thing}.", "What was the answer again?", "Let me see, how does the {thing} work?", "Hmm, that is a tricky question, {name}."),
    ("bored", "medium", "none", "away"): ("Are we done with the {thing} yet?", "This meeting never ends.", "I have heard that story about the {thing} a hundred times."),
    ("proud", "medium", "none", "user"): ("I built the {thing} all by myself.", "Look what I made, {name}.", "I finally finished my {thing}."),
    ("shy", "medium", "tilt_head", "down"): ("Oh, thank you, that is so kind of you to say.", "You are making me blush, {name}.", "I never sang in front of people before."),
    ("neutral", "medium", "shake_head", "user"): ("No, that is not right.", "No, {name}, the {thing} is closed today.", "I am afraid that is not possible."),
    ("neutral", "medium", "point", "right"): ("The {thing} is over there on the right.", "Go through that door on the right.", "You will find {name} on the right side."),
    ("neutral", "medium", "point", "left"): ("The {thing} is over there on the left.", "Turn left after the {thing}.", "You will find {name} on the left side."),
    ("neutral", "medium", "bow", "user"): ("Thank you all for coming tonight.", "I am honoured to meet you, {name}.", "Ladies and gentlemen, good evening."),
    ("neutral", "medium", "beckon", "user"): ("Come closer, {name}, I want to show you the {thing}.", "Come here for a moment.", "Follow me, please."),
    ("neutral", "medium", "none", "user"): ("The {thing} opens at nine.", "It is ten past four.", "The train leaves from platform two.", "Your {thing} is ready, {name}.", "There are three of them in the box."),
    ("bored", "high", "facepalm", "closed"): ("Not again, {name}, you forgot the {thing}.", "I can't believe you broke the {thing} again.", "Oh please, not that {thing} again."),
    ("neutral", "medium", "salute", "user"): ("Yes, captain!", "At your service, {name}!", "Reporting for duty, sir!"),
    ("happy", "high", "dance", "around"): ("Turn up the music, it is party time!", "I love this song!", "Let us dance, {name}!"),
}  # fmt: skip
# Around a line, so that it isn't always the same one; they change nothing about what it means.
BEFORE_LINES = (
    "",
    "",
    "",
    "Oh, ",
    "Well, ",
    "You know what? ",
    "Listen, ",
    "Hey {name}, ",
    "So, ",
    "{name}! ",
    "Ah, ",
    "Hmm. ",
    "Look, ",
)
BEHIND_LINES = (
    "",
    "",
    "",
    " Really.",
    " I mean it.",
    " You see?",
    " As I said.",
    " There you go.",
    " Do you hear me, {name}?",
    " That is all.",
)
_NAMES = ("Mia", "Tom", "Aiko", "Omar", "Lena", "Ravi", "Sofia", "Jack", "Noor", "Pavel", "Grandma", "Zoe")
_THINGS = (
    "cake", "garden", "robot", "computer", "kitchen", "letter", "car", "picture", "report", "bicycle", "radio", "bridge", "soup",
    "museum", "ticket", "lamp", "fridge", "homework",
)  # fmt: skip
_PRIZES = ("job", "medal", "trophy", "scholarship", "main part", "first prize", "golden ticket", "promotion")


@dataclass(frozen=True)
class Said:
    """A text, what it means per head, and the frame of a command."""

    text: str
    choice: dict[str, str]
    template: str | None


def say(rng: random.Random) -> Said:
    """A command (two of three times) or a line."""
    return _command(rng) if rng.random() < 0.67 else _line(rng)


def line_templates() -> list[tuple[str, dict[str, str]]]:
    """All lines with what they mean."""
    return [(line, _choice(way)) for way, lines in LINES.items() for line in lines]


def _command(rng: random.Random) -> Said:
    frame = rng.choice(FRAMES)
    choice = dict(DEFAULTS)
    text = frame
    for slot in ("look", "move+", "move", "face+", "face"):
        if f"{{{slot}}}" not in text:
            continue
        table = {"look": LOOKS, "move": MOVES, "face": FACES}[slot.rstrip("+")]
        value = rng.choice([key for key in table if slot != "face+" or key != "neutral"])
        said = rng.choice(table[value])
        choice[{"look": "gaze", "move": "gesture", "face": "emotion"}[slot.rstrip("+")]] = value
        if slot == "move+":
            choice["timing"] = rng.choice(list(SPEEDS))
            said = f"{said} {rng.choice(SPEEDS[choice['timing']])}"
        if slot == "face+":
            choice["intensity"] = rng.choice(list(STRENGTHS))
            said = f"{said} {rng.choice(STRENGTHS[choice['intensity']])}"
        text = text.replace(f"{{{slot}}}", said, 1)
    opening, closing = rng.choice(OPENINGS), rng.choice(CLOSINGS)
    text = f"{opening}{text}{closing}"
    if opening.startswith(("can ", "could ", "would ")) and not text.endswith(("!", ".")):
        text += "?"
    text = text[0].upper() + text[1:] if rng.random() < 0.6 else text
    return Said(text, choice, f"command: {frame}")


def _line(rng: random.Random) -> Said:
    line, choice = rng.choice(line_templates())
    before = rng.choice(BEFORE_LINES)
    if before.endswith(", ") and not line.startswith(("I ", "I'", "{")):
        line = line[0].lower() + line[1:]
    line = f"{before}{line}{rng.choice(BEHIND_LINES)}"
    text = line.format(name=rng.choice(_NAMES), thing=rng.choice(_THINGS), prize=rng.choice(_PRIZES))
    return Said(text, choice, None)  # a line that was never heard can only be guessed


def _choice(way: _Way) -> dict[str, str]:
    emotion, intensity, gesture, gaze = way
    return {"emotion": emotion, "intensity": intensity, "gesture": gesture, "gaze": gaze, "timing": DEFAULTS["timing"]}
