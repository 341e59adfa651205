"""Describe a dialect of the video contract: its own fields, and the fields of a job request they become.

One table per dialect (openai.py, openrouter.py). The request's model checks the values, and this file does
what the table says: it finds two fields that say the same, names errors by the field that was sent, and tells
which field to send here for one of another dialect. The tables in docs/clients come from the same records.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from eventing.contract.errors import InvalidRequest
from eventing.contract.records.models import JobRequest


@dataclass(frozen=True)
class Parameter:
    """One field of a dialect, the fields of a job request that it becomes, and how."""

    name: str
    becomes: tuple[str, ...]
    how: str


@dataclass(frozen=True)
class Dialect:
    """The fields that a dialect adds to those of a job request.

    `elsewhere` has the fields of other dialects, each with what to send here. With `renames` an error of a
    field that was not sent has the dialect's name for it: the contract does not know a job's own fields.
    """

    parameters: tuple[Parameter, ...]
    elsewhere: Mapping[str, str]
    renames: bool = False

    @property
    def names(self) -> set[str]:
        """Return the names of the dialect's own fields."""
        return {parameter.name for parameter in self.parameters}

    def check_known(self, fields: Any) -> None:
        """Raise InvalidRequest for a field of another dialect, with what to send here.

        A body that is no object has no fields: validation says so.
        """
        for name in fields if isinstance(fields, Mapping) else ():
            if name in self.elsewhere:
                raise InvalidRequest(f"{name}: unknown field; {self.elsewhere[name]}", field=name)

    def check_single(self, body: JobRequest, names: Iterable[str]) -> None:
        """Raise InvalidRequest if one of these fields is sent, and a field of the job that it becomes too."""
        for parameter in self.parameters:
            if parameter.name not in names or getattr(body, parameter.name) is None:
                continue
            twice = [field for field in parameter.becomes if getattr(body, field, None) is not None]
            if twice:
                message = f"{parameter.name} and {twice[0]} say the same; give one of them"
                raise InvalidRequest(message, field=parameter.name)

    def sent_as(self, body: JobRequest, field: str | None) -> str | None:
        """Return the name by which a field of the job request was sent, for messages."""
        if field is None or getattr(body, field.partition(".")[0], None) not in (None, ()):
            return field
        head, *rest = field.split(".")
        users = [parameter for parameter in self.parameters if head in parameter.becomes]
        sent = [parameter for parameter in users if getattr(body, parameter.name) not in (None, ())]
        if head == "loras" and sent:
            return ".".join([sent[0].name, *rest[1:]])  # a list of one
        chosen = sent or (users if self.renames else [])
        return chosen[0].name if chosen else field
