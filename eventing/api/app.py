"""Assemble the FastAPI application from routes, limits and error answers."""

from __future__ import annotations

from fastapi import FastAPI

from eventing import __version__
from eventing.api import health, inference, mcp, openapi
from eventing.api.answers import problems
from eventing.api.callers import caller
from eventing.api.callers.auth import RateLimit
from eventing.api.callers.oidc import TokenVerifier
from eventing.api.callers.origins import OriginCheck
from eventing.api.dependencies import Container
from eventing.api.events import dead_letters
from eventing.api.events import routes as events
from eventing.api.jobs import check, deliveries, groups, log, previews, progress, updates
from eventing.api.jobs import routes as jobs
from eventing.api.metrics import routes as metrics
from eventing.api.metrics.levels import LevelReader
from eventing.api.operate import routes as operate
from eventing.api.page import problems as catalogue
from eventing.api.page import routes as page
from eventing.api.requests.limits import BodyLimits, Sizes
from eventing.api.requests.prefix import PathPrefix
from eventing.api.stories import files as story_files
from eventing.api.stories import progress as story_progress
from eventing.api.stories import routes as stories
from eventing.api.stories import step_types
from eventing.api.usage import routes as usage
from eventing.api.videos import openrouter_routes, sync
from eventing.api.videos import routes as videos
from eventing.contract.http.http_methods import HeadAndOptions
from eventing.contract.http.measured import Measured, RouteNote
from eventing.contract.telemetry import trace_requests

ROUTES = (
    jobs, check, updates, groups, progress, previews, deliveries, log,
    stories, story_progress, story_files, step_types, videos, sync, openrouter_routes,
    inference, events, dead_letters, health, metrics, caller, usage, operate, mcp, page, catalogue,
)  # fmt: skip


def create_app(container: Container) -> FastAPI:
    """Return the application over the parts of a replica. It starts nothing."""
    app = FastAPI(
        title="reelzero",
        version=__version__,
        description="Text to video that scales to zero. Errors are RFC 9457 problem details.",
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        docs_url=None,  # FastAPI's pages load scripts from another host; see page
        redoc_url=None,
    )
    app.state.container = container
    app.state.tokens = TokenVerifier(container.settings)
    app.state.rate_limit = RateLimit(container.settings.rate_per_minute)
    app.state.levels = LevelReader(container.levels)
    problems.install(app)
    app.add_middleware(RouteNote)
    app.add_middleware(HeadAndOptions)
    app.add_middleware(
        BodyLimits,
        sizes=Sizes.of(container.settings),
        seconds=container.settings.body_timeout_seconds,
    )
    if container.settings.auth == "open":
        app.add_middleware(OriginCheck, allowed_hosts=container.settings.allowed_hosts)
    app.add_middleware(PathPrefix, prefix=container.settings.path_prefix)
    app.add_middleware(Measured)
    for module in ROUTES:
        app.include_router(module.router)
    app.mount("/static/swagger-ui", page.swagger_ui, name="swagger-ui")
    app.mount("/static", page.files, name="static")
    openapi.install(app)
    trace_requests(app)
    return app
