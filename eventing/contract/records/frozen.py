"""Define the base of all records that cross a wire: immutable, and strict about unknown fields."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import InitErrorDetails


class Frozen(BaseModel):
    """An immutable record. It refuses unknown fields, so that a typo is an error and not a default."""

    # Errors go to logs and traces, so they must not quote the input, such as prompts and addresses.
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), hide_input_in_errors=True)


class Received(Frozen):
    """A record that another release may have written: it may have fields that this one does not know."""

    model_config = ConfigDict(extra="ignore")


class Incoming(Frozen):
    """A record that callers send. Surplus fields are one error together: 80,000 errors take a second."""

    @model_validator(mode="before")
    @classmethod
    def _has_no_surplus(cls, data: Any) -> Any:
        if isinstance(data, dict) and len(data) > len(cls.model_fields):
            name = next(str(name) for name in data if name not in cls.model_fields)
            surplus = InitErrorDetails(type="extra_forbidden", loc=(name,), input=None)
            raise ValidationError.from_exception_data(cls.__name__, [surplus])
        return data
