"""Task `vision` with questions: a picture and a question give a short answer.

Drawn pictures come with questions whose answers are known; of a person's own pictures a teacher that sees is asked twice, and
must agree with itself.
"""

from __future__ import annotations

import random
from pathlib import Path

from edge_runtime.errors import BadRequest
from edge_runtime.media import reading
from edge_runtime.media.scene import read_scene, write_scene
from edge_runtime.tasks.text import normalise, words
from edge_runtime.vision.questions import MAX_CHARACTERS, Vocabulary
from trainer_host.data.dedup import SCOPE
from trainer_host.errors import DataError
from trainer_host.media.picture_questions import Question, questions, scene_of
from trainer_host.media.scatter import LIGHTS, NOISES, View, taken
from trainer_host.tasks import HELD_OUT, Example, Json, Prompt, Rejected, TaskSpec
from trainer_host.tasks.phrases import Grouped
from trainer_host.tasks.vision_pictures import chosen, content_of, picture_name, pictures_in, png, read, unchanged

MAX_ANSWER = 60
MAX_QUESTIONS = 200  # that a person gives
PICTURES = 1000  # that the built-in teacher asks about: several questions of a lesson share one
EXAMINED = 5  # one of so many shows a combination that no other picture does
QUESTION, ANSWER = "question", "answer"
ASKS, UNSEEN = (
    "asks",
    "unseen",
)  # in a row's meta: the kind of the question, and the combination that only held-out pictures show
GENERAL = (
    "What is in the middle of the picture?",
    "How many people are there?",
    "What colour is the background?",
    "Is it indoors or outdoors?",
    "Is there any text in the picture?",
    "What is the largest thing in the picture?",
)
SYSTEM = """You answer a question about a picture, as JSON. The answer is as short as can be: a number in digits, yes or no, or one \
to three words in small letters, without an article. Answer only what can be seen in the picture."""
_NUMBERS = {name: str(number) for number, name in enumerate(
    "zero one two three four five six seven eight nine ten eleven twelve".split()  # noqa: SIM905
)}  # fmt: skip
_LEFT_OUT = frozenset({"a", "an", "the"})
_OUTPUT: Json = {"type": "string", "maxLength": MAX_ANSWER}


def spec(options: Json, folder: str | None) -> VisionQuestions:
    """See `trainer_host.tasks.vision.spec`; folder: of the option images. Raises `DataError`."""
    if options.keys() & {"labels", "whole"}:
        raise DataError("Questions about pictures have no labels and no boxes; leave out the options labels and whole.")
    given = options["questions"]
    if given is True:
        return VisionQuestions(folder, ())
    if not isinstance(given, list) or not 0 < len(given) <= MAX_QUESTIONS:
        raise DataError(f"The option questions of vision must be true, or a list of 1 to {MAX_QUESTIONS} questions.")
    if folder is None:
        raise DataError(
            "Drawn pictures have questions of their own; name a folder with the option images, or give true."
        )
    try:
        return VisionQuestions(folder, tuple(dict.fromkeys(read_question(question) for question in given)))
    except Rejected as cause:
        raise DataError(f"The option questions of vision can't be used: {cause.detail}.") from None


class VisionQuestions(TaskSpec):
    """input: {"image", "question"}, the first the name of a file of the example. output: {"answer"}."""

    name = "vision"
    prompt_version = "1"
    metric = "right answers"
    samples = 2
    answer_schema = reading.strict_object(answer=reading.STRING)
    example_schema = reading.strict_object(
        input=reading.strict_object(image=reading.STRING, question={"type": "string", "maxLength": MAX_CHARACTERS}),
        output=reading.strict_object(answer=_OUTPUT),
    )

    def __init__(self, folder: str | None, asked: tuple[str, ...]) -> None:
        self._folder = folder
        self._asked = asked or GENERAL

    def draw(self, rng: random.Random) -> Json:
        """See `TaskSpec`: a picture of the folder and one of the questions, or a scene and a question with its answer."""
        if self._folder is not None:
            return self.draw_at(rng.getrandbits(31), 0)
        view, question, examined = _asked(rng)
        return {
            "light": view.light,
            "noise": view.noise,
            "seed": view.seed,
            "scene": write_scene(view.scene),
            "question": question.text,
            "answer": question.answer,
            "examined": examined,
        }

    def draw_at(self, seed: int, number: int) -> Json:
        """See `TaskSpec`: all pictures in turn, and each with another question the next time."""
        if self._folder is None:
            return super().draw_at(seed, number)
        drawn = chosen(Path(self._folder), seed, number)
        first = random.Random(f"{seed} {drawn['sha256']}").randrange(len(self._asked))
        turn = number // pictures_in(Path(self._folder))
        return {**drawn, "question": self._asked[(first + turn) % len(self._asked)]}

    def different(self) -> int | None:
        """See `TaskSpec`: each question about each of a person's pictures."""
        return None if self._folder is None else pictures_in(Path(self._folder)) * len(self._asked)

    def prompt(self, drawn: Json) -> Prompt:
        """See `TaskSpec`; the picture goes along. Raises `DataError` where it has changed since it was drawn."""
        with unchanged():
            picture = self._picture(drawn)
        return Prompt(SYSTEM, str(drawn["question"]), (picture,))

    def verify(self, drawn: Json, answers: list[Json]) -> Example:
        """See `TaskSpec`: two answers must be the same, and where the picture was drawn, what is known of it."""
        one, other = (
            plain(reading.text(reading.fields(answer, "the answer", ("answer",))["answer"], "answer", MAX_ANSWER))
            for answer in answers
        )
        if one != other:
            raise Rejected("answers differ", f"two answers were '{one}' and '{other}'; look again and answer exactly")
        known = drawn.get("answer")
        if known is not None and one != known:
            raise Rejected("wrong answer", f"'{one}' isn't what the picture shows")
        made = example(self._picture(drawn), str(drawn["question"]), one)
        return Grouped(made.input, made.output, made.files, group=HELD_OUT) if drawn.get("examined") else made

    def check(self, example: Example) -> None:
        """See `TaskSpec`: the picture and the question can be read, the answer is short."""
        check(example)

    def key(self, example: Example) -> str:
        """See `TaskSpec`: other questions about one picture ask something else, however alike they are."""
        return key(example)

    def score(self, wanted: Json, got: Json) -> float:
        """See `TaskSpec`: 1 for the right answer, however it is written."""
        return score(wanted, got)

    def built_in(self, rng: random.Random) -> Example:
        """See `TaskSpec`: one of `PICTURES` drawn pictures and a question about it; raises `DataError` with a folder."""
        if self._folder is not None:
            raise DataError("Without a teacher nobody knows what the pictures show; leave out the option images.")
        view, question, examined = _asked(rng)
        made = example(png(taken(view)), question.text, question.answer)
        meta: Json = {ASKS: question.asks, **({UNSEEN: question.unseen} if question.unseen else {})}
        return Grouped(made.input, made.output, made.files, HELD_OUT if examined else str(made.input["image"]), meta)

    def group(self, example: Example) -> str | None:
        """See `TaskSpec`: all questions about a picture stay on one side; those about pictures that show an unseen
        combination are examined."""
        return example.group if isinstance(example, Grouped) and example.group else str(example.input["image"])

    def difficulty(self, example: Example) -> float:
        """See `TaskSpec`: longer questions are harder."""
        return min(1.0, len(words(str(example.input["question"]))) / 16)

    def _picture(self, drawn: Json) -> bytes:
        if self._folder is not None:
            return png(read(content_of(Path(self._folder), drawn)))
        return png(
            taken(
                View(
                    read_scene(drawn["scene"], film=False),
                    reading.choice(drawn["light"], "light", LIGHTS),
                    reading.choice(drawn["noise"], "noise", NOISES),
                    reading.integer(drawn["seed"], "seed", 0, 2**31),
                )
            )
        )


def plain(answer: str) -> str:
    """An answer as it is compared and learnt: small letters, digits, without article and full stop."""
    said = normalise(answer).strip().rstrip(".!").split()
    while len(said) > 1 and said[0] in _LEFT_OUT:
        said = said[1:]
    return " ".join(_NUMBERS.get(word, word) for word in said) if len(said) == 1 else " ".join(said)


def read_question(value: object) -> str:
    """A question that a device can read; raises `Rejected`."""
    question = " ".join(reading.text(value, "question", MAX_CHARACTERS).split())
    try:
        Vocabulary(()).read(question)
    except BadRequest as cause:
        raise Rejected("question", str(cause)) from None
    return question


def read_answer(value: object) -> str:
    """An answer as it is learnt; raises `Rejected`."""
    answer = plain(reading.text(value, "answer", MAX_ANSWER))
    if not answer:
        raise Rejected("no answer", "the answer is empty")
    return answer


def check(example: Example) -> None:
    """Raises `Rejected` for a picture, a question or an answer that can't be learnt from."""
    from edge_runtime.media.pictures import read_picture

    given = reading.fields(example.input, "input", ("image", "question"))
    name = reading.text(given["image"], "image", 200)
    read_question(given["question"])
    read_answer(reading.fields(example.output, "output", ("answer",))["answer"])
    content = example.files.get(name)
    if content is None:
        raise Rejected("no picture", f"the picture '{name[:60]}' isn't there")
    read_picture(content, 64)


def key(example: Example) -> str:
    """Equal for the same question about the same picture."""
    return f"{example.input['image']} {' '.join(words(str(example.input['question'])))}{SCOPE}"


def score(wanted: Json, got: Json) -> float:
    """1 where the answers are the same, else 0."""
    return float(plain(str(wanted.get("answer"))) == plain(str(got.get("answer"))))


def example(content: bytes, question: str, answer: str) -> Example:
    """A row's example; content: a PNG."""
    name = picture_name(content)
    return Example({"image": name, "question": question}, {"answer": answer}, {name: content})


def _asked(rng: random.Random) -> tuple[View, Question, bool]:
    """A picture, a question about it, and whether it is only examined."""
    number = rng.randrange(PICTURES)
    examined = number % EXAMINED == 0
    view = scene_of(random.Random(f"asked about {number}"), examined)
    return view, rng.choice(questions(rng, view.scene)), examined
