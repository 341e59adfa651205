"""The chart's values for the mark of origin reach what signs videos and films, and the key nothing else."""

from __future__ import annotations

from config.render import render
from tests.manifests.test_policy import pods
from tests.manifests.value_sets import ELSEWHERE, Values, model

CERTIFICATE, KEY = "/etc/reelzero/mark/tls.crt", "/etc/reelzero/mark/tls.key"


def marks(values: Values) -> dict[str, dict[str, str]]:
    """Return what a pod's containers have of the settings of the mark, by pod name."""
    return {
        name: {
            item["name"].removeprefix("REELZERO_"): item["value"]
            for container in pod["containers"]
            for item in container.get("env", [])
            if item["name"].startswith("REELZERO_MARK")
        }
        for name, pod in pods(render(values))
    }


def test_the_secret_is_mounted_into_what_signs_only() -> None:
    found = {name: settings for name, settings in marks(ELSEWHERE).items() if settings}
    assert found == {
        "reelzero-cogvideox-2b": {"MARK_CERTIFICATE": CERTIFICATE, "MARK_KEY": KEY, "MARK_PROMPTS": "true"},
        "reelzero-steps": {"MARK_CERTIFICATE": CERTIFICATE, "MARK_KEY": KEY},
    }
    mounted = {
        name for name, pod in pods(render(ELSEWHERE))
        for volume in pod.get("volumes", []) if volume.get("secret", {}).get("secretName") == "studio"
    }  # fmt: skip
    assert mounted == set(found)


def test_no_value_means_a_certificate_of_its_own() -> None:
    assert not any(marks(model()).values())


def test_the_mark_can_be_turned_off() -> None:
    settings = marks(model() | {"mark": {"enabled": False, "secretName": "studio"}})
    assert settings["reelzero-tiny"] == {"MARK": "off"}
