"""Second tries of what writes programs: where the device doubts what a model wrote, others of its answers are looked at."""

from __future__ import annotations

from edge_runtime.tasks.dialogue import Json, Writer

TRIES = 4  # beside the likeliest answer; each takes as long as that
TEMPERATURE = 0.8


class TryingWriter(Writer):
    """A writer for a task whose `answer` compares what was written with what the request says in exact words.

    A model that is right in most of a program is often right in all of it when asked again. The draws are seeded, so
    the same request has the same answer. Where the request says how to draw, it is answered once.
    """

    def run(self, request: Json) -> Json:
        """The likeliest answer, or the first other one that isn't unsure; the likeliest where all are."""
        likeliest = super().run(request)
        if not likeliest["unsure"] or likeliest["finish"] != "stop" or {"temperature", "seed"} & request.keys():
            return likeliest
        for seed in range(TRIES):
            other = super().run({**request, "temperature": TEMPERATURE, "seed": seed})
            if not other["unsure"]:
                return other
        return likeliest
