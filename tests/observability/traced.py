"""What takes part in the tests of traces: the service, a predictor, a collector and a receiver."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from eventing.testing import FakePredictor
from tests.integration.predictor.process import Predictor
from tests.integration.predictor.serving import Serving
from tests.support.collector import Collector
from tests.support.receivers import Receiver

SECRET = "whsec_" + "MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA="
PROMPT = "a zanzibar circle"
PRODUCER = "c" * 16  # the producer's span, which this test does not send
AT_PREDICTOR = "generate", "encode_prompt", "denoise", "decode", "encode_video", "upload"


def traceparent(letter: str) -> str:
    """The header of a producer whose trace is this letter, 32 times."""
    return f"00-{letter * 32}-{PRODUCER}-01"


@dataclass
class Installation:
    """Everything that takes part."""

    service: Serving
    predictor: Predictor
    fake: FakePredictor
    collector: Collector
    receiver: Receiver
    folder: Path

    def logs(self) -> list[dict[str, object]]:
        """Every line that both processes have logged."""
        text = (self.folder / "serve.log").read_text() + self.predictor.log.read_text()
        return [json.loads(line) for line in text.splitlines()]


def otlp(endpoint: str, protocol: str) -> dict[str, str]:
    """The standard variables."""
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_BSP_SCHEDULE_DELAY": "50",
    }
