"""Tell what is ours in a cluster that has neighbours: by label, by setting, by image or command.

A rule says nothing about other people's objects, so each check starts from here.
"""

from __future__ import annotations

import re

from eventing.doctor.objects.manifests import Body, Manifest, Manifests, dig, environment, items, section

PART_OF, COMPONENT = "app.kubernetes.io/part-of", "app.kubernetes.io/component"
NAME = "reelzero"
PREFIX = "REELZERO_"
OF_EVENTING = ("REELZERO_ENDPOINTS", "REELZERO_DATABASE_URL")


def labelled(item: Manifest) -> bool:
    """Tell whether an object has the label that the chart puts on each of its objects."""
    return bool(dig(item.body, "metadata", "labels", PART_OF) == NAME)


def runs_predictor(container: Body) -> bool:
    """Tell whether a container is a predictor: by a setting that eventing lacks, by image or command."""
    names = environment(container).keys()
    if any(name in names for name in OF_EVENTING):
        return False
    return any(name.startswith(PREFIX) for name in names) or _is(container, "predictor", "-m predictor")


def runs_eventing(container: Body) -> bool:
    """Tell whether a container is the eventing service: by its settings, image or command."""
    names = environment(container).keys()
    return any(name in names for name in OF_EVENTING) or _is(container, "eventing", "reelzero serve")


def eventing(manifests: Manifests) -> list[Manifest]:
    """Return the Deployments of the eventing service."""
    return [item for item in manifests.kind("Deployment", "apps") if _is_eventing(item)]


def _is_eventing(item: Manifest) -> bool:
    labels = section(item.body, "metadata", "labels")
    if labelled(item) and labels.get(COMPONENT) == "eventing":
        return True
    return any(map(runs_eventing, items(item.spec, "template", "spec", "containers")))


def _is(container: Body, part: str, command: str) -> bool:
    image = str(container.get("image") or "")
    words = [str(word) for key in ("command", "args") for word in _list(container.get(key))]
    return bool(re.search(rf"(^|/){NAME}[/_-]{part}([:@]|$)", image)) or command in " ".join(words)


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
