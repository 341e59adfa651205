"""The base of all records of this client: fields that a newer server adds are kept."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from eventing.client.calls import Refused


class Answer(BaseModel):
    """The base of all records of this client."""

    model_config = ConfigDict(frozen=True, extra="allow", protected_namespaces=(), hide_input_in_errors=True)

    @classmethod
    def read(cls, answer: Any) -> Self:
        """Return the record that an answer holds. Raises Refused for what no reelzero server sends."""
        try:
            return cls.model_validate(answer)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "it"
            raise Refused(
                f"the server's answer is no {cls.__name__} of reelzero ({place}: {first['msg']}); "
                "is it a reelzero server, and of this release?"
            ) from error
