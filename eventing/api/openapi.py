"""Build the OpenAPI document.

FastAPI describes what it parses itself. This adds the bodies that the routes read by their own code (jobs,
forms, events, tensors), the error format of each path, and the keys.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from eventing.api.answers import error_formats
from eventing.api.stories.requests import StoryRevision
from eventing.api.videos.openai import VideoCreate, VideoRemix
from eventing.api.videos.openrouter import VideoGenerationRequest
from eventing.contract.records.models import JobRequest
from eventing.contract.stories.document import StoryRequest

REF = "#/components/schemas/{model}"
OPEN = ("/healthz", "/readyz", "/metrics", "/metrics/targets", "/v2", "/v2/health/live", "/v2/health/ready")
METHODS = ("get", "put", "post", "delete", "head", "options")
CLOUD_EVENT = {
    "type": "object",
    "description": "CloudEvents 1.0 in its JSON format.",
    "required": ["specversion", "id", "source", "type"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "minLength": 1, "maxLength": 256},
        "source": {"type": "string", "minLength": 1, "maxLength": 256},
        "type": {"type": "string", "minLength": 1, "maxLength": 256},
        "datacontenttype": {"type": "string"},
        "traceparent": {"type": "string"},
        "data": {},
        "data_base64": {"type": "string"},
    },
}
TENSOR = {
    "type": "object",
    "required": ["name", "shape", "datatype", "data"],
    "properties": {
        "name": {"type": "string"},
        "shape": {"type": "array", "items": {"type": "integer"}},
        "datatype": {"type": "string"},
        "data": {"type": "array", "items": {}},
    },
}
INFER_REQUEST = {
    "type": "object",
    "description": "Open Inference Protocol; binary tensors follow the JSON, see docs/clients/v2.md.",
    "required": ["inputs"],
    "properties": {
        "id": {"type": "string"},
        "parameters": {"type": "object"},
        "inputs": {"type": "array", "minItems": 1, "items": TENSOR},
        "outputs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string"}, "parameters": {"type": "object"}},
            },
        },
    },
}
WRITTEN = {
    "CloudEvent": CLOUD_EVENT,
    "InferRequest": INFER_REQUEST,
}
MODELS: tuple[type[BaseModel], ...] = (
    VideoCreate, VideoRemix, VideoGenerationRequest, JobRequest, StoryRequest, StoryRevision,
)  # fmt: skip


def install(app: FastAPI) -> None:
    """Serve this document at /openapi.json."""

    def document() -> dict[str, Any]:
        if not app.openapi_schema:
            app.openapi_schema = build(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign] # FastAPI's documented way


def build(app: FastAPI) -> dict[str, Any]:
    """Return the document."""
    whole = get_openapi(
        title=app.title, version=app.version, description=app.description,
        license_info=app.license_info, routes=app.routes,
    )  # fmt: skip
    whole["servers"] = [
        {"url": app.state.container.settings.path_prefix or "/"}
    ]  # relative: right behind any proxy
    components = whole.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for model in MODELS:
        schema = model.model_json_schema(ref_template=REF)
        schemas.update(schema.pop("$defs", {}))
        schemas[model.__name__] = schema
    schemas.update(WRITTEN)
    schemas.update({form.name: form.schema for form in error_formats.ALL})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    components["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "API key rz_…, or an OIDC token."}
    }
    for path, item in whole["paths"].items():
        for method in METHODS:
            if method in item:
                _complete(path, item[method])
    return whole


def _complete(path: str, operation: dict[str, Any]) -> None:
    operation["security"] = [] if path in OPEN else [{"key": []}, {}]
    operation["responses"].pop("422", None)  # FastAPI's own form, which no route answers with
    operation["responses"]["default"] = _error(path)


def _error(path: str) -> dict[str, Any]:
    form = error_formats.format_of(path)
    schema = {"schema": {"$ref": REF.format(model=form.name)}}
    return {"description": "What was wrong, and where.", "content": {form.media_type: schema}}
