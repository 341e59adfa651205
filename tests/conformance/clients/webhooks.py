"""What we sign, verified by the libraries of Standard Webhooks and of Svix."""

from __future__ import annotations

import json
from typing import Any

import standardwebhooks
import svix.webhooks

from tests.conformance.clients.report import OLD_SECRET, PROMPT, SECRET, call, http_json, receiver, refused

with receiver() as (url, got):
    JOB = http_json("POST", "/v1/jobs", {"prompt": PROMPT, "callback_url": url})[2]
    HEADERS, BODY = got.get(timeout=120)

LIBRARIES = {
    "standardwebhooks": (standardwebhooks.Webhook, standardwebhooks.WebhookVerificationError),
    "svix": (svix.webhooks.Webhook, svix.webhooks.WebhookVerificationError),
}

for library, (LIB, INVALID) in LIBRARIES.items():

    @call(f"{library}: verify")
    def _(hook: Any = LIB) -> object:
        hook(SECRET).verify(BODY, HEADERS)
        event = json.loads(BODY)
        assert (event["type"], event["subject"]) == ("dev.reelzero.video.completed.v1", JOB["id"])
        return event["type"]

    @call(f"{library}: verify with the other secret, while secrets are rotated")
    def _(hook: Any = LIB) -> object:
        hook(OLD_SECRET).verify(BODY, HEADERS)
        return f"{len(HEADERS['webhook-signature'].split())} signatures"

    @call(f"{library}: a changed body, an old time and another secret are refused")
    def _(hook: Any = LIB, invalid: Any = INVALID) -> object:
        refused(invalid, lambda: hook(SECRET).verify(BODY + b" ", HEADERS))
        refused(invalid, lambda: hook(SECRET).verify(BODY, HEADERS | {"webhook-timestamp": "1"}))
        refused(invalid, lambda: hook("whsec_" + "A" * 44).verify(BODY, HEADERS))
        return "three times"


@call("the delivery log shows the delivery")
def _() -> object:
    log: list[dict[str, Any]] = []
    while not log:  # the receiver heard of it before the log did
        page = http_json("GET", f"/v1/jobs/{JOB['id']}/deliveries")[2]
        log = [entry for entry in page["data"] if entry["destination"] == "webhook" and entry["log"]]
    assert (log[0]["status"], log[0]["id"]) == ("delivered", HEADERS["webhook-id"]), log
    return f"delivered, {log[0]['tries']} try"
