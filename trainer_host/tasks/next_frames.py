"""The other kind of the task `video_gen`: what a frame of a small world looks like after an action. minigrid itself is the teacher.

Rows of a person's own recording come from `trainer_host.data.recorded_frames`.
"""

from __future__ import annotations

import contextlib
import io
import random
from typing import TYPE_CHECKING, cast

from edge_runtime.media import Media, reading
from trainer_host.errors import DataError
from trainer_host.media import examples
from trainer_host.tasks import Example, Json, Prompt, Rejected, TaskSpec
from trainer_host.tasks.vision_pictures import picture_name, read

if TYPE_CHECKING:
    import gymnasium
    import numpy as np

FRAME, PICTURE, ACTION = "frame", "image", "action"
BEFORE, DONE = "before", "done"  # of a recording: the frames before the picture, and what was done after each of them
SEEN = 4  # frames of a recording that are seen at once: two show how fast things move, more of them how that changes
WORLD, OWN = "minigrid", "own"
# Rooms of eight by eight squares, walls included; one shows the whole room, from above.
LEVELS = (
    "BabyAI-GoToLocal-v0",
    "BabyAI-PickupLoc-v0",
    "MiniGrid-DoorKey-8x8-v0",
    "MiniGrid-Fetch-8x8-N3-v0",
    "MiniGrid-GoToDoor-8x8-v0",
    "MiniGrid-GoToObject-8x8-N2-v0",
)
# minigrid's numbers. What "drop" gives can't be seen in a frame, as none shows what is carried.
ACTIONS = {"left": 0, "right": 1, "forward": 2, "pickup": 3, "toggle": 5}
OFTEN = (2, 2, 4, 1, 1)
TILE = 8  # pixels of a square
_LONGEST = 40  # actions before the one that is asked about
MAX_ACTION = 40  # characters
_NEAR = 4  # of 255: a cell that is nearer to the wanted one on average is right


class NextFrames(TaskSpec):
    """input: {"image", "action"}, a file of the example and what is done. output: {"frame"}, the file of what comes then.

    own: of a recording, with {"before", "done"} in the input.
    """

    name = "video_gen"
    prompt_version = "1"
    metric = "next frames of which every cell is right"
    answer_schema = reading.strict_object(frame=reading.STRING)
    example_schema = reading.strict_object(
        input=reading.strict_object(image=reading.STRING, action=reading.STRING),
        output=reading.strict_object(frame=reading.STRING),
    )

    def __init__(self, own: bool = False) -> None:
        self._own = own

    def draw(self, rng: random.Random) -> Json:
        """See `TaskSpec`; no language model is asked about frames."""
        raise DataError("Next frames come from the world itself, and from no model; leave out --provider.")

    def prompt(self, drawn: Json) -> Prompt:
        """See `draw`."""
        return self.draw(random.Random())  # type: ignore[return-value]

    def verify(self, drawn: Json, answers: list[Json]) -> Example:
        """See `draw`."""
        return self.draw(random.Random())  # type: ignore[return-value]

    def check(self, example: Example) -> None:
        """See `TaskSpec`."""
        check(example)

    def key(self, example: Example) -> str:
        """See `TaskSpec`: the picture's name and the action."""
        return key(example)

    def score(self, wanted: Json, got: Json) -> float:
        """See `TaskSpec`."""
        return score(wanted, got)

    def stratum(self, example: Example) -> str | None:
        """See `TaskSpec`: the action."""
        return str(example.input[ACTION])

    def built_in(self, rng: random.Random) -> Example:
        """See `TaskSpec`: a room of minigrid after some actions by chance, and after one more."""
        if self._own:
            raise DataError("A recording of your own is imported: enigma data import FOLDER --task video_gen.")
        env = begun(rng.choice(LEVELS), rng.getrandbits(31))
        try:
            for _ in range(rng.randint(0, _LONGEST)):
                if stepped(env, chosen(rng)):
                    break
            if leaving(env):
                raise Rejected("outside", "the agent stands in an open door of the outer wall")
            before, action = frame_of(env), chosen(rng)
            stepped(env, action)
            return _example(before, action, frame_of(env))
        finally:
            env.close()

    def difficulty(self, example: Example) -> float:
        """See `TaskSpec`: all are as hard as one another."""
        return 0.5


def spec(options: Json) -> TaskSpec:
    """options: `frames`, "minigrid", or "own" for a person's recording; raises `DataError`."""
    if options == {"frames": OWN}:
        examples.needs("PIL", "Films")
        return NextFrames(own=True)
    if options != {"frames": WORLD}:
        raise DataError(f"The option frames of video_gen is {WORLD}, and stands alone.")
    examples.needs("PIL", "Films")
    examples.needs("minigrid", "Rooms of minigrid", "babyai")
    return NextFrames()


def check(example: Example) -> None:
    """Both pictures can be read and are of a size; raises `Rejected`."""
    given = reading.fields(example.input, "input", (PICTURE, ACTION), optional=(BEFORE, DONE))
    before, done = given.get(BEFORE, []), given.get(DONE, [])
    if not isinstance(before, list) or not isinstance(done, list) or not len(before) == len(done) < SEEN:
        raise Rejected("wrong form", f'"before" and "done" are lists of the same length, at most {SEEN - 1}')
    for action in (given[ACTION], *done):
        reading.text(action, ACTION, MAX_ACTION)
    output = reading.fields(example.output, "output", (FRAME,))
    sizes = set()
    for value, where in (*((one, BEFORE) for one in before), (given[PICTURE], PICTURE), (output[FRAME], FRAME)):
        content = example.files.get(reading.text(value, where, 200))
        if content is None:
            raise Rejected("no picture", f"the picture '{str(value)[:60]}' isn't there")
        sizes.add(read(content).size)
    if len(sizes) > 1:
        raise Rejected("other size", "the frame before and the one after must be of one size")


def key(example: Example) -> str:
    """The pictures' names and the actions."""
    before, done = (cast("list[str]", example.input.get(name, [])) for name in (BEFORE, DONE))
    return " ".join([str(example.input[ACTION]), str(example.input[PICTURE]), *before, *done])


def score(wanted: Json, got: Json) -> float:
    """1 where the frame that was made is the one that was wanted (`Media` both), in every cell of `TILE` pixels; else 0."""
    own, made = wanted.get(FRAME), got.get("film")
    if not isinstance(own, Media) or not isinstance(made, Media):
        return 0.0
    return float(right_cells(own.content, made.content).all())


def right_cells(wanted: bytes, made: bytes) -> np.ndarray:
    """Of each cell of a picture whether another one has nearly the same there, bool [cells]; none where sizes differ."""
    import numpy as np

    from edge_runtime.tasks.next_frame import cells_of

    one, other = (np.asarray(read(content)) for content in (wanted, made))
    if one.shape != other.shape:
        return np.zeros(1, bool)
    far = np.abs(cells_of(one, TILE).astype(np.float32) - cells_of(other, TILE)).mean(1)
    return np.asarray(far <= _NEAR)


def begun(level: str, seed: int) -> gymnasium.Env:
    """A level of minigrid at its beginning."""
    import gymnasium
    import minigrid  # noqa: F401  # it registers its levels

    env = gymnasium.make(level, disable_env_checker=True)
    with contextlib.redirect_stdout(io.StringIO()):  # it prints how often it tried
        env.reset(seed=seed)
    return env


def chosen(rng: random.Random) -> str:
    """An action by chance."""
    return rng.choices(tuple(ACTIONS), OFTEN)[0]


def stepped(env: gymnasium.Env, action: str) -> bool:
    """Take one of `ACTIONS`; whether it is over: done, out of time, or in an open door of the outer wall, behind which nothing is."""
    _, _, ended, cut, _ = env.step(ACTIONS[action])
    return bool(ended or cut) or leaving(env)


def leaving(env: gymnasium.Env) -> bool:
    """Whether the square ahead is outside; minigrid has no next frame then."""
    room = env.unwrapped
    column, row = (int(place) for place in room.front_pos)  # type: ignore[attr-defined]
    return not (0 <= column < room.grid.width and 0 <= row < room.grid.height)  # type: ignore[attr-defined]


def frame_of(env: gymnasium.Env) -> bytes:
    """The whole room from above, as PNG."""
    from edge_runtime.media.pictures import png_of

    return png_of(env.unwrapped.get_frame(highlight=False, tile_size=TILE))  # type: ignore[attr-defined]


def _example(before: bytes, action: str, after: bytes) -> Example:
    names = picture_name(before), picture_name(after)
    return Example({PICTURE: names[0], ACTION: action}, {FRAME: names[1]}, {names[0]: before, names[1]: after})
