"""Make the steps of a story's short form, and name its scenes in the errors of these steps."""

from __future__ import annotations

import re
from collections.abc import Mapping

from eventing.contract.catalog import Catalog
from eventing.contract.errors import InvalidRequest, NotFound
from eventing.contract.records.models import VideoRequest
from eventing.contract.records.pictures import FIELDS
from eventing.contract.stories.document import StepRequest, StoryRequest
from eventing.contract.stories.graph import Shape
from eventing.contract.stories.scenes import Templates, film_shape
from eventing.served import Served
from eventing.stories.videos import NOT_YET

PLAIN = (1280, 720, 24)  # pixels and frame rate of a film where no model is served
OF_SCENE = re.compile(r"^steps\.(video|speech|scene)-(\d+)\.(?:with|inputs)\.([a-z_0-9]+)(.*)$")
MUSIC = "steps.film.inputs.music"
FILM = frozenset({"model", "width", "height", "fps", "voice"})
SCENE = frozenset({"prompt", "image", "seconds"})


class Scenes:
    """The short form, with a template of the package or of an operator."""

    def __init__(self, templates: Templates, catalog: Catalog, served: Served) -> None:
        self._templates = templates
        self._catalog = catalog
        self._served = served

    def steps(self, request: StoryRequest) -> Mapping[str, StepRequest]:
        """Return the steps of a request, in either form. Raises InvalidRequest."""
        return request.steps or self._templates.steps(request, self._shape(request))

    def _shape(self, request: StoryRequest) -> Shape:
        """Return the shape of the film: as it asks for, else as the model makes it."""
        film = request.film
        try:
            entry = self._catalog.get(film.model or self._served.default())
        except NotFound:
            return film_shape(request, *PLAIN)
        except InvalidRequest as error:
            raise InvalidRequest(f"film.model: {error.message}", field="film.model") from error
        if not any(scene.prompt for scene in request.scenes):
            return film_shape(request, *entry.sizes[0], entry.fps)
        needed = {
            name: NOT_YET for name, need in entry.inputs.items() if name in FIELDS and need == "required"
        }
        sides = {"width": film.width, "height": film.height, "fps": film.fps}
        try:
            spec = entry.resolve(VideoRequest.model_validate({"prompt": "-", **sides, **needed}))
        except InvalidRequest as error:
            raise InvalidRequest(
                f"film.{error.field}: {error.message}", field=f"film.{error.field}"
            ) from error
        return film_shape(request, spec.width, spec.height, spec.fps)


def of_scenes(error: InvalidRequest, request: StoryRequest) -> InvalidRequest:
    """Return the same error with the path of a scene, where its step was made of one."""
    path = _path(error.field or "", request)
    if not request.scenes or path is None:
        return error
    return InvalidRequest(f"{path}: {error.message.removeprefix(f'{error.field}: ')}", field=path)


def _path(path: str, request: StoryRequest) -> str | None:
    if path.startswith(MUSIC):
        return "film.music"
    named = OF_SCENE.match(path)
    if not named or not 0 < int(named[2]) <= len(request.scenes):
        return None
    number, field, rest = int(named[2]) - 1, named[3], named[4]
    scene = request.scenes[number]
    if field in scene.parameters:
        return f"scenes[{number}].with.{field}{rest}"
    if field == "text":
        return f"scenes[{number}].{'narration' if named[1] == 'speech' else 'title'}"
    if field in FILM:
        return f"film.{field}"
    return f"scenes[{number}].{field}" if field in SCENE else None
