"""Make the steps of a story from its scenes, by a template: a file of YAML with Jinja's marks."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jinja2 import FileSystemLoader, StrictUndefined, TemplateError
from jinja2.sandbox import SandboxedEnvironment

from eventing.contract.errors import ConfigurationError, InvalidRequest
from eventing.contract.stories.document import StepRequest, StoryRequest
from eventing.contract.stories.graph import Shape

HERE = Path(__file__).parent / "templates"
ENDING = ".yaml.j2"


class Templates:
    """The templates of the package, and those of an operator's folder, which replace them."""

    def __init__(self, extra: Path | None = None) -> None:
        folders = [folder for folder in (extra, HERE) if folder]
        self._environment = SandboxedEnvironment(
            loader=FileSystemLoader(folders), undefined=StrictUndefined, autoescape=False
        )

    def names(self) -> list[str]:
        """Return the names of all templates, sorted."""
        return sorted(
            name.removesuffix(ENDING) for name in self._environment.list_templates() if name.endswith(ENDING)
        )

    def steps(self, story: StoryRequest, shape: Shape) -> dict[str, StepRequest]:
        """Return the steps of scenes, for a film of this shape.

        Raises InvalidRequest for an unknown template, ConfigurationError for one that makes no steps.
        """
        name = story.film.template
        if name not in self.names():
            known = ", ".join(self.names())
            raise InvalidRequest(
                f"film.template: there is none named {name}; known: {known}", field="film.template"
            )
        try:
            text = self._environment.get_template(name + ENDING).render(**_context(story, shape))
            steps: Any = yaml.safe_load(text)
            return {key: StepRequest.model_validate(_without_nulls(step)) for key, step in steps.items()}
        except (TemplateError, yaml.YAMLError, ValueError, AttributeError, TypeError) as error:
            raise ConfigurationError(f"the template {name} makes no steps: {error}") from error


@cache
def load_templates(extra: Path | None = None) -> Templates:
    """Return the templates of the package and of an operator's folder."""
    return Templates(extra)


def _context(story: StoryRequest, shape: Shape) -> Mapping[str, Any]:
    fps = int(shape.fps) if shape.fps.denominator == 1 else float(shape.fps)
    return {
        "scenes": [scene.model_dump(mode="json") for scene in story.scenes],
        "film": story.film.model_dump(mode="json"),
        "spoken": [number for number, scene in enumerate(story.scenes) if scene.narration],
        "width": shape.width,
        "height": shape.height,
        "fps": fps,
    }


def _without_nulls(value: Any) -> Any:
    """Return a value without the entries of its mappings that are null."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return value


def film_shape(story: StoryRequest, width: int, height: int, fps: int) -> Shape:
    """Return the shape of the film: as it asks for, else as the model makes it."""
    film = story.film
    return Shape(film.width or width, film.height or height, Fraction(film.fps or fps))
