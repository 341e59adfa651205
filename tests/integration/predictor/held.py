"""A predictor whose jobs wait in the middle, for tests of what happens meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from tests.integration.predictor.process import Predictor, reached, wait_for


class Held:
    """A predictor whose every job waits in `decode` until `release`."""

    def __init__(self, predictor: Predictor, file: Path) -> None:
        self.predictor = predictor
        self.file = file

    def arm(self) -> None:
        self.file.unlink(missing_ok=True)
        reached(self.file).unlink(missing_ok=True)

    def wait(self) -> None:
        wait_for(reached(self.file).exists, "the held stage")

    def release(self) -> None:
        self.file.touch()

    def ended(self, outcome: str) -> float:
        name = f'reelzero_predictor_jobs_total{{model="tiny",outcome="{outcome}"}} '
        lines = self.predictor.get("/metrics")[1].splitlines()
        return next((float(line.removeprefix(name)) for line in lines if line.startswith(name)), 0.0)

    def digest(self) -> str:
        """Return the sha256 of the reference video before it was signed, made now."""
        last = self.predictor.stream(output="inline", seed=3).last()
        return str(last["inline"]["mark"]["unmarked_sha256"])

    def stub(self) -> GRPCInferenceServiceStub:
        return GRPCInferenceServiceStub(grpc.insecure_channel(f"127.0.0.1:{self.predictor.grpc_port}"))


@contextmanager
def holding(env: dict[str, str], folder: Path) -> Iterator[Held]:
    """Run one; its log and its signal file are in the folder."""
    predictor = Predictor(env, folder / "log", ("decode", folder / "go"))
    try:
        predictor.wait()
        yield Held(predictor, folder / "go")
    finally:
        predictor.process.kill()
        predictor.process.wait()
