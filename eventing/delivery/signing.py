"""Sign webhooks (Standard Webhooks 1.0, and OpenRouter's own form) and check their secrets."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime

from standardwebhooks import Webhook

from eventing.contract.errors import ConfigurationError


def signature_headers(secrets: tuple[str, ...], message_id: str, body: str, at: datetime) -> dict[str, str]:
    """Return the Standard Webhooks headers, with one signature per secret so that secrets can be rotated."""
    signatures = " ".join(Webhook(secret).sign(message_id, at, body) for secret in secrets)
    stamp = str(int(at.timestamp()))
    return {"webhook-id": message_id, "webhook-timestamp": stamp, "webhook-signature": signatures}


def openrouter_headers(secrets: tuple[str, ...], message_id: str, body: str, at: datetime) -> dict[str, str]:
    """Return OpenRouter's headers. The key of its HMAC is the text of the first secret, `whsec_` included."""
    stamp = str(int(at.timestamp()))
    digest = hmac.new(secrets[0].encode(), f"{stamp},{body}".encode(), hashlib.sha256).hexdigest()
    return {
        "X-OpenRouter-Signature": f"t={stamp},v1={digest}",
        "X-OpenRouter-Idempotency-Key": message_id,
    }


def check_secrets(secrets: tuple[str, ...]) -> None:
    """Raise ConfigurationError for a secret that cannot sign. The message does not show the secret."""
    for position, secret in enumerate(secrets, 1):
        try:
            if not secret.startswith("whsec_"):
                raise ValueError("does not start with whsec_")
            Webhook(secret).sign("msg", datetime.now(UTC), "{}")
        except Exception as error:
            raise ConfigurationError(
                f"REELZERO_WEBHOOK_SECRETS: entry {position} is not whsec_ and base64",
                field="REELZERO_WEBHOOK_SECRETS",
            ) from error
