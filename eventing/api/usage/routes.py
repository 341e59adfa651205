"""Serve `GET /v1/usage`: what the caller's jobs have used; those of all owners for a key that may operate."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from eventing.api.callers.auth import Owner
from eventing.api.dependencies import ContainerDep
from eventing.api.usage.formats import as_csv
from eventing.api.usage.picture import picture
from eventing.api.usage.views import By, UsageView, usage_view
from eventing.contract.errors import InvalidRequest
from eventing.domain.usage import DAY
from eventing.store.usage import Since

router = APIRouter(prefix="/v1", tags=["operation"])
MOST_DAYS = 3660
MOST_ROWS = 10_000
AGO = re.compile(r"(\d{1,5})([hd])", re.ASCII)
HOURS = {"h": 1, "d": 24}
CSV, SVG = "text/csv; charset=utf-8", "image/svg+xml"
Form = Literal["json", "csv", "svg"]


@router.get("/usage", response_model=UsageView)
async def usage(
    request: Request,
    container: ContainerDep,
    owner: Owner,
    since: Annotated[
        str, Query(max_length=32, description="7d, 24h or a day such as 2026-11-01; whole days, UTC.")
    ] = "7d",
    by: Annotated[list[By] | None, Query(description="What rows tell apart; may be repeated.")] = None,
    form: Annotated[Form, Query(alias="format")] = "json",
) -> Response | UsageView:
    """Return what jobs have used and cost that ended in a period, also those that are deleted since."""
    of_owner = None if request.state.may_operate else owner
    period = await container.usage.period(read_since(since), of_owner)
    view = usage_view(period, by or (By.model, By.owner), container.costs)
    if len(view.data) > MOST_ROWS:
        raise InvalidRequest(
            f"by: {len(view.data)} rows are more than {MOST_ROWS}; leave a part out, or ask for fewer days",
            field="by",
        )
    if form == "csv":
        return Response(as_csv(view), media_type=CSV)
    if form == "svg":
        return Response(picture(view), media_type=SVG)
    return view


def read_since(text: str) -> Since:
    """Return where a period begins. Raises InvalidRequest."""
    if match := AGO.fullmatch(text):
        seconds = int(match[1]) * HOURS[match[2]] * 3600.0
        if seconds <= MOST_DAYS * DAY:
            return Since(seconds=seconds)
        raise InvalidRequest(f"since: must be at most {MOST_DAYS}d ago", field="since")
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise InvalidRequest(
            f"since: {text!r} must be 7d, 24h or a day such as 2026-11-01", field="since"
        ) from error
    number = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() // DAY)
    if number < 0:
        raise InvalidRequest("since: must not be before 1970-01-01", field="since")
    return Since(day=number)
