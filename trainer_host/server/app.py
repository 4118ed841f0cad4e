"""The HTTP application: every route, who may call it, and every error turned into a sentence."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable

from aiohttp import web

from edge_runtime import __version__
from edge_runtime.api.wire import reply
from edge_runtime.errors import EdgeError
from edge_runtime.identity.files import IdentityFolder
from edge_runtime.identity.tls import Shown
from edge_runtime.identity.tokens import TokenStore
from trainer_host.errors import TrainerError
from trainer_host.server.access import Guard
from trainer_host.server.bundles import BundleRoutes
from trainer_host.server.chat import ChatRoutes
from trainer_host.server.comparisons import ComparisonRoutes
from trainer_host.server.datasets import DatasetRoutes
from trainer_host.server.errors import Unprocessable, error_reply, from_aiohttp, from_trainer, missing_package
from trainer_host.server.events import EventRoutes, Hub
from trainer_host.server.examinations import ExaminationRoutes
from trainer_host.server.exports import ExportRoutes
from trainer_host.server.fields import Json
from trainer_host.server.imports import ImportRoutes
from trainer_host.server.job_queue import JobQueue
from trainer_host.server.key_files import KeyFileRoutes
from trainer_host.server.keys import KeyRoutes, VaultThread
from trainer_host.server.lessons import LessonRoutes
from trainer_host.server.pairing import PairRoutes
from trainer_host.server.preferences import PreferenceRoutes
from trainer_host.server.questions import QuestionRoutes
from trainer_host.server.releases import ReleaseRoutes, RolloutRoutes
from trainer_host.server.runs import RunRoutes
from trainer_host.server.signatures import SignatureRoutes
from trainer_host.server.tasks import tasks_answer
from trainer_host.server.timetable import Timetable
from trainer_host.server.trainings import TrainingRoutes
from trainer_host.server.tunings import TuningRoutes
from trainer_host.server.workbench import Workbench
from trainer_host.workspace import Workspace

MAX_BODY_BYTES = 64 * 1024  # each route's own bound is lower

_log = logging.getLogger(__name__)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(
    workspace: Workspace,
    identity: IdentityFolder,
    *,
    loopback_only: bool,
    names: Iterable[str] = (),
    shown: Shown | None = None,
    chat_budget: str | None = None,
) -> web.Application:
    """The application over a home folder; its lessons run from its start to its shutdown.

    identity: where pairings are kept. loopback_only, names: see `Guard`. shown: the certificate that clients see.
    chat_budget: see `ChatRoutes`.
    """
    tokens = TokenStore(identity)
    guard = Guard(tokens, loopback_only, names)
    hub, thread = Hub(), VaultThread()
    timetable = Timetable(workspace, hub.changed)
    keys, lessons = KeyRoutes(workspace, thread), LessonRoutes(workspace, timetable, thread)
    pairing = PairRoutes(identity, tokens, shown)
    questions, signatures = QuestionRoutes(workspace, guard), SignatureRoutes(workspace)
    files = KeyFileRoutes(workspace, thread, guard)
    chat, preferences = ChatRoutes(workspace, thread, chat_budget), PreferenceRoutes(workspace, guard)
    queue = JobQueue(workspace, lambda id_: hub.changed(f"job:{id_}"))  # no lesson's name has a colon
    workbench = Workbench(workspace)
    trainings, runs = TrainingRoutes(workspace, queue), RunRoutes(workspace, queue)
    comparisons, datasets = ComparisonRoutes(workspace, workbench, guard), DatasetRoutes(workspace, guard)
    imports, tunings = ImportRoutes(workspace), TuningRoutes(workspace, queue, guard)
    examinations = ExaminationRoutes(workspace)
    releases, rollouts = ReleaseRoutes(workspace, queue), RolloutRoutes(workspace, guard)
    bundles, exports = BundleRoutes(workspace), ExportRoutes(workspace)

    def ids() -> list[str]:
        return [*timetable.ids(), *(f"job:{job.id}" for job in queue.jobs())]

    def plain(id_: str) -> Json:
        return trainings.plain(id_.removeprefix("job:")) if id_.startswith("job:") else lessons.plain(id_)

    events = EventRoutes(hub, guard, ids, plain)

    async def health(request: web.Request) -> web.Response:
        return reply({"status": "ok", "version": __version__})

    async def tasks(request: web.Request) -> web.Response:
        return reply(tasks_answer(workspace))

    app = web.Application(middlewares=[_guarded(guard)], client_max_size=MAX_BODY_BYTES)
    for method, path, handler in (
        ("GET", "/healthz", health),
        ("POST", "/v1/pair", pairing.pair),
        ("POST", "/v1/pair/finish", pairing.finish),
        ("GET", "/v1/certificate", pairing.certificate),
        ("POST", "/v1/certificate", pairing.renew_certificate),
        ("GET", "/v1/tokens", pairing.tokens),
        ("DELETE", "/v1/tokens/{id}", pairing.remove),
        ("GET", "/v1/tasks", tasks),
        ("GET", "/v1/providers", keys.providers),
        ("POST", "/v1/providers", keys.add_provider),
        ("DELETE", "/v1/providers/{provider}", keys.remove_provider),
        ("GET", "/v1/keys", keys.keys),
        ("POST", "/v1/keys", keys.add),
        ("POST", "/v1/keys/use", keys.use),
        ("POST", "/v1/keys/export", files.export),
        ("POST", "/v1/keys/import", files.import_),
        ("DELETE", "/v1/keys/{provider}/{name:.+}", keys.remove),
        ("POST", "/v1/estimates", lessons.estimate),
        ("GET", "/v1/lessons", lessons.lessons),
        ("POST", "/v1/lessons", lessons.begin),
        ("GET", "/v1/lessons/{lesson}", lessons.lesson),
        ("POST", "/v1/lessons/{lesson}/cancel", lessons.cancel),
        ("POST", "/v1/lessons/{lesson}/resume", lessons.resume),
        ("GET", "/v1/questions", questions.all),
        ("GET", "/v1/questions/{dataset}", questions.waiting),
        ("POST", "/v1/questions/{dataset}", questions.answer),
        ("POST", "/v1/questions/{dataset}/undo", questions.undo),
        ("POST", "/v1/questions/{dataset}/take", questions.take),
        ("GET", "/v1/chat/models", chat.models),
        ("POST", "/v1/chat/completions", chat.complete),
        ("GET", "/v1/preferences", preferences.all),
        ("POST", "/v1/preferences", preferences.add),
        ("DELETE", "/v1/preferences/{id}", preferences.remove),
        ("GET", "/v1/signatures", signatures.waiting),
        ("POST", "/v1/signatures", signatures.sign),
        ("GET", "/v1/trainings", trainings.all),
        ("POST", "/v1/trainings", trainings.begin),
        ("GET", "/v1/trainings/{training}", trainings.one),
        ("GET", "/v1/trainings/{training}/curve", trainings.curve),
        ("POST", "/v1/trainings/{training}/pause", trainings.pause),
        ("POST", "/v1/trainings/{training}/cancel", trainings.cancel),
        ("POST", "/v1/trainings/{training}/resume", trainings.resume),
        ("GET", "/v1/runs", runs.all),
        ("GET", "/v1/runs/{run}", runs.one),
        ("GET", "/v1/runs/{run}/curve", runs.curve),
        ("GET", "/v1/runs/{run}/diff/{other}", runs.diff),
        ("GET", "/v1/runs/{run}/attention", comparisons.attention),
        ("GET", "/v1/runs/{run}/confusion", comparisons.confusion),
        ("POST", "/v1/runs/{run}/undo", runs.undo),
        ("POST", "/v1/runs/{run}/redo", runs.redo),
        ("GET", "/v1/comparisons", comparisons.ratings),
        ("POST", "/v1/comparisons", comparisons.ask),
        ("POST", "/v1/comparisons/{comparison}/vote", comparisons.vote),
        ("POST", "/v1/examinations", examinations.begin),
        ("GET", "/v1/examinations/{examination}", examinations.one),
        ("POST", "/v1/examinations/{examination}/cancel", examinations.cancel),
        ("GET", "/v1/tunings", tunings.all),
        ("POST", "/v1/tunings", tunings.begin),
        ("POST", "/v1/tunings/{tuning}/cancel", tunings.cancel),
        ("POST", "/v1/tunings/{tuning}/resume", tunings.resume),
        ("POST", "/v1/imports", imports.send),
        ("POST", "/v1/imports/{id}", imports.add),
        ("DELETE", "/v1/imports/{id}", imports.forget),
        ("GET", "/v1/datasets", datasets.all),
        ("GET", "/v1/datasets/{dataset}/rows", datasets.rows),
        ("POST", "/v1/datasets/{dataset}/edits", datasets.edit),
        ("GET", "/v1/releases", releases.all),
        ("POST", "/v1/releases", releases.begin),
        ("GET", "/v1/releases/{release}", releases.one),
        ("POST", "/v1/releases/{release}/cancel", releases.cancel),
        ("POST", "/v1/releases/{release}/resume", releases.resume),
        ("GET", "/v1/bundles", bundles.all),
        ("GET", "/v1/bundles/{sha256}", bundles.one),
        ("GET", "/v1/exports", exports.all),
        ("GET", "/v1/exports/{sha256}", exports.one),
        ("GET", "/v1/fleet", rollouts.fleet),
        ("POST", "/v1/fleet/tags", rollouts.tag),
        ("GET", "/v1/rollouts", rollouts.all),
        ("POST", "/v1/rollouts", rollouts.begin),
        ("GET", "/v1/rollouts/{rollout}", rollouts.one),
        ("POST", "/v1/rollouts/{rollout}/pause", rollouts.pause),
        ("POST", "/v1/rollouts/{rollout}/resume", rollouts.resume),
        ("POST", "/v1/rollouts/{rollout}/abort", rollouts.abort),
        ("GET", "/v1/events", events.events),
    ):
        app.router.add_route(method, path, handler)

    async def start(app: web.Application) -> None:
        timetable.start()
        queue.start()

    async def stop(app: web.Application) -> None:
        await chat.close()
        await timetable.close()
        await queue.close()
        await workbench.close()
        await examinations.close()
        hub.close()
        thread.close()

    app.on_startup.append(start)
    app.on_shutdown.append(stop)
    return app


def _guarded(guard: Guard) -> Callable[..., Awaitable[web.StreamResponse]]:
    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            guard.check(request)  # before anything is said about what there is
            response = await handler(request)
        except EdgeError as error:
            response = error_reply(error)
        except TrainerError as error:
            response = error_reply(from_trainer(error))
        except ModuleNotFoundError as error:
            response = error_reply(Unprocessable(missing_package(error)))
        except web.HTTPException as error:
            response = error_reply(from_aiohttp(error))
        except ConnectionError:
            raise  # the client went away: aiohttp ends the connection, there is nobody to answer
        except Exception:
            # Nothing that a client sends may stop the server or show it a trace.
            _log.exception("%s %s failed", request.method, request.match_info.route.resource)
            response = error_reply(EdgeError("The host failed on this request; its log says why."))
        if not response.prepared:
            response.headers["Cache-Control"] = "no-store"
        return response

    return middleware
