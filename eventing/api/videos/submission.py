"""Submit the request of a dialect: its model by name or alias, and errors by the dialect's own fields."""

from __future__ import annotations

from eventing.api.dependencies import Container
from eventing.api.videos.dialect import Dialect
from eventing.contract.catalog import CatalogEntry
from eventing.contract.errors import ReelzeroError
from eventing.contract.records.models import JobRequest
from eventing.domain.job import Job
from eventing.drafts import Origin
from eventing.settings import pairs


def entry_of(container: Container, name: str | None) -> CatalogEntry:
    """Return the model that a request names, by an alias too; the default if it names none."""
    aliases = pairs(container.settings.model_aliases)
    return container.catalog.get(aliases.get(name, name) if name else container.served.default())


async def submit(
    container: Container, body: JobRequest, request: JobRequest, origin: Origin, dialect: Dialect
) -> tuple[Job, bool]:
    """Submit what a body of a dialect became. Raises as `Jobs.submit`, with the field that was sent."""
    try:
        return await container.jobs.submit(request, origin)
    except ReelzeroError as error:
        error.field = dialect.sent_as(body, error.field)
        raise
