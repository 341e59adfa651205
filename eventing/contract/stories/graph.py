"""Check a story whole, before anything runs: names, parameters, media types, circles, sizes and frame rates.

Every fault is an InvalidRequest whose field is a path, such as `steps.voice.inputs.text`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from graphlib import CycleError, TopologicalSorter
from typing import Any

from eventing.contract.errors import InvalidRequest
from eventing.contract.records.models import GenerationSpec
from eventing.contract.stories.document import OUTPUT, StepRequest
from eventing.contract.stories.types import OF_INPUT, OF_PARAMETERS, InputRule, OutputRule, StepType

VIDEO = "video"
VIDEO_INPUTS = {
    "image": InputRule(media=("image/*",), required=False),
    "last_image": InputRule(media=("image/*",), required=False),
}
VIDEO_OUTPUTS = {
    "video": OutputRule(media="video/mp4"),
    "poster": OutputRule(media="image/jpeg"),
    "spritesheet": OutputRule(media="image/jpeg"),
}


@dataclass(frozen=True)
class Shape:
    """The size and frame rate of a clip, as far as they are known before it is made."""

    width: int
    height: int
    fps: Fraction

    def __str__(self) -> str:
        return f"{self.width}x{self.height} at {float(self.fps):g} frames per second"


@dataclass(frozen=True)
class Video:
    """What the catalog says of a video step: its spec, and how long it takes in seconds."""

    spec: GenerationSpec
    seconds: float


# The spec of the fields of a video and of the names of its pictures. Raises InvalidRequest.
ResolveVideo = Callable[[Mapping[str, Any], frozenset[str]], Video]


@dataclass(frozen=True)
class Source:
    """One source of an input of a step, with its path: an output of a step, or an address."""

    input: str
    path: str
    text: str


@dataclass(frozen=True)
class Step:
    """A checked step. `needs` are the steps whose outputs it takes; `type` is None for a video."""

    name: str
    request: StepRequest
    type: StepType | None
    video: Video | None
    needs: frozenset[str]
    shapes: Mapping[str, Shape] = field(default_factory=dict)  # of its outputs

    @property
    def seconds(self) -> float:
        """Return the expected time of work."""
        return self.video.seconds if self.video else (self.type.seconds if self.type else 0.0)

    @property
    def inputs(self) -> Mapping[str, InputRule]:
        """Return the rules of its inputs."""
        return self.type.inputs if self.type else VIDEO_INPUTS

    @property
    def outputs(self) -> Mapping[str, OutputRule]:
        """Return the rules of its outputs."""
        return self.type.outputs if self.type else VIDEO_OUTPUTS


def check(
    requests: Mapping[str, StepRequest], types: Mapping[str, StepType], resolve: ResolveVideo
) -> tuple[Step, ...]:
    """Return the steps in an order in which each comes after those it needs. Raises InvalidRequest."""
    order = _order(requests)
    steps: dict[str, Step] = {}
    for name in order:
        steps[name] = _checked(name, requests[name], types, resolve, steps)
    return tuple(steps[name] for name in order)


def _order(requests: Mapping[str, StepRequest]) -> list[str]:
    """Return the names in order of need; of equal ones the order of the document. Raises InvalidRequest."""
    needs = {name: dict.fromkeys(_needed(name, request, requests)) for name, request in requests.items()}
    try:
        return list(TopologicalSorter(needs).static_order())
    except CycleError as error:
        circle = list(reversed(error.args[1]))
        sources = sources_of(circle[0], requests[circle[0]])
        path = next(each.path for each in sources if each.text.startswith(f"{circle[1]}."))
        raise _wrong(path, f"the steps need each other in a circle: {' → '.join(circle)}") from error


def _needed(name: str, request: StepRequest, requests: Mapping[str, StepRequest]) -> Iterator[str]:
    for source in sources_of(name, request):
        if not (named := OUTPUT.match(source.text)):
            continue
        if named[1] not in requests:
            raise _wrong(source.path, f"there is no step {named[1]}; known: {', '.join(requests)}")
        yield named[1]


def sources_of(name: str, request: StepRequest) -> Iterator[Source]:
    """Yield every source of a step."""
    for key, given in request.inputs.items():
        path = f"steps.{name}.inputs.{key}"
        if isinstance(given, str):
            yield Source(key, path, given)
        else:
            yield from (Source(key, f"{path}[{number}]", text) for number, text in enumerate(given))


def _checked(
    name: str,
    request: StepRequest,
    types: Mapping[str, StepType],
    resolve: ResolveVideo,
    steps: Mapping[str, Step],
) -> Step:
    kind = types.get(request.uses)
    if kind is None and request.uses != VIDEO:
        known = ", ".join([VIDEO, *sorted(types)])
        raise _wrong(f"steps.{name}.uses", f"there is no step type {request.uses}; known here: {known}")
    video = None if kind else _video(name, request, resolve)
    outputs = (OUTPUT.match(source.text) for source in sources_of(name, request))
    needs = frozenset(named[1] for named in outputs if named)
    step = Step(name, request, kind, video, needs)
    _check_inputs(step, steps)
    if kind:
        _check_parameters(name, request, kind)
    return Step(name, request, kind, video, needs, dict(_shapes(step, steps)))


def _video(name: str, request: StepRequest, resolve: ResolveVideo) -> Video:
    try:
        return resolve(request.parameters, frozenset(request.inputs))
    except InvalidRequest as error:
        group = "inputs" if error.field in request.inputs else "with"
        place = f"steps.{name}.{group}" + (f".{error.field}" if error.field else "")
        raise _wrong(place, error.message.removeprefix(f"{error.field}: ")) from error


def _check_parameters(name: str, request: StepRequest, kind: StepType) -> None:
    for error in kind.validator.iter_errors(request.parameters):
        path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.path)
        raise _wrong(f"steps.{name}.with{path}", error.message)


def _check_inputs(step: Step, steps: Mapping[str, Step]) -> None:
    path = f"steps.{step.name}.inputs"
    for key in step.request.inputs:
        if key not in step.inputs:
            known = ", ".join(step.inputs) or "none"
            raise _wrong(f"{path}.{key}", f"{step.request.uses} has no such input; it has: {known}")
    for key, rule in step.inputs.items():
        sources = step.request.sources(key)
        if rule.required and not sources:
            raise _wrong(f"{path}.{key}", f"{step.request.uses} needs it: {' or '.join(rule.media)}")
        if len(sources) > 1 and not rule.many:
            raise _wrong(f"{path}.{key}", f"takes one file, and {len(sources)} are named")
        for source in sources_of(step.name, step.request):
            if source.input == key:
                _check_media(source.path, source.text, rule, steps)
        if rule.same_shape:
            _check_shapes(step, key, steps)


def _check_media(path: str, source: str, rule: InputRule, steps: Mapping[str, Step]) -> None:
    if not (named := OUTPUT.match(source)):
        return  # an address: its media type is known once it is fetched
    outputs = steps[named[1]].outputs
    if named[2] not in outputs:
        raise _wrong(path, f"the step {named[1]} has no output {named[2]}; it has: {', '.join(outputs)}")
    if not rule.takes(outputs[named[2]].media):
        wanted = " or ".join(rule.media)
        raise _wrong(path, f"{source} is {outputs[named[2]].media}, and {wanted} is needed")


def _check_shapes(step: Step, key: str, steps: Mapping[str, Step]) -> None:
    sources = step.request.sources(key)
    known = [(n, source, shape) for n, source in enumerate(sources) if (shape := _shape_of(source, steps))]
    for number, source, shape in known[1:]:
        _, first, wanted = known[0]
        if shape != wanted:
            problem = f"{source} is {shape}, and {first} is {wanted}; put a step fit between"
            raise _wrong(f"steps.{step.name}.inputs.{key}[{number}]", problem)


def _shapes(step: Step, steps: Mapping[str, Step]) -> Iterator[tuple[str, Shape]]:
    """Yield the shapes of outputs that are known."""
    if step.video:
        spec = step.video.spec
        yield "video", Shape(spec.width, spec.height, Fraction(spec.fps))
    for name, output in step.outputs.items():
        if shape := _made(step, output.shape, steps):
            yield name, shape


def _made(step: Step, source: str | None, steps: Mapping[str, Step]) -> Shape | None:
    if source is None:
        return None
    named = OF_INPUT.match(source)
    taken = step.request.sources(named[1]) if named else ()
    old = _shape_of(taken[0], steps) if taken else None
    if old is None and source != OF_PARAMETERS:
        return None
    wanted: Mapping[str, Any] = (vars(old) if old else {}) | step.request.parameters
    if not {"width", "height", "fps"} <= wanted.keys():
        return None
    return Shape(wanted["width"], wanted["height"], Fraction(wanted["fps"]))


def _shape_of(source: str, steps: Mapping[str, Step]) -> Shape | None:
    named = OUTPUT.match(source)
    return steps[named[1]].shapes.get(named[2]) if named else None


def _wrong(path: str, problem: str) -> InvalidRequest:
    return InvalidRequest(f"{path}: {problem}", field=path)
