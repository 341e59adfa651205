"""The walk-throughs' commands fit the values beside them: images, Secrets, versions, and their shell."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from config.render import ROOT, Object, render
from tests.manifests.test_policy import containers, of
from tests.manifests.value_sets import EXAMPLES

PAGES = [*sorted((ROOT / "docs" / "install").glob("*.md")), ROOT / "config" / "model-cache" / "README.md"]
SHELL = re.compile(r"^(kubectl|helm|docker|kind|export|aws|psql|curl|reelzero|for|password|KEY)\b")
Keys = set[tuple[str, str]]


def page(name: str) -> str:
    return (ROOT / "docs" / "install" / name).read_text(encoding="utf-8")


def shell_blocks(text: str) -> list[str]:
    """The indented blocks that begin with a command."""
    blocks = re.findall(r"(?:^(?: {4}|\t).*\n|^\n(?= {4}))+", text, re.MULTILINE)
    lines = [[line.removeprefix("    ") for line in block.strip("\n").splitlines()] for block in blocks]
    return ["\n".join(block) for block in lines if SHELL.match(block[0])]


def images(bodies: list[Object]) -> set[str]:
    return {container["image"] for container in containers(bodies)}


def wanted_keys(bodies: list[Object]) -> Keys:
    """Every key of a Secret that a pod reads."""
    references = [
        env["valueFrom"]["secretKeyRef"]
        for container in containers(bodies)
        for env in container.get("env", [])
        if "secretKeyRef" in env.get("valueFrom", {})
    ]
    return {(reference["name"], reference["key"]) for reference in references}


def made_keys(text: str) -> Keys:
    joined = text.replace("\\\n", " ")
    return {
        (name, key)
        for name, rest in re.findall(r"create secret generic (\S+)(.*)", joined)
        for key in re.findall(r"--from-literal=([A-Za-z_]+)=", rest)
    }


@pytest.mark.parametrize("example", ["cpu-trial", "kind", "k3s"])
def test_the_images_that_are_built_are_those_of_the_values(example: str) -> None:
    for text in (page("images.md"), page("cpu-trial.md")):
        built = set(re.findall(r"docker build --target \w+ --tag (\S+)", text))
        assert images(render(EXAMPLES[example])) == built
        (loaded,) = re.findall(r"kind load docker-image --name reelzero (.+)", text)
        assert set(loaded.split()) == built
        assert all(name.startswith("dev.local/") for name in built), "Knative would look them up"


@pytest.mark.parametrize(("name", "example"), [("cpu-trial.md", "cpu-trial"), ("stores.md", "gpu-cogvideox")])
def test_the_commands_make_every_secret_that_the_values_need(name: str, example: str) -> None:
    bodies = render(EXAMPLES[example])
    assert wanted_keys(bodies) <= made_keys(page(name))
    of_weights = {
        secret["name"] for body in of(bodies, "ServiceAccount") for secret in body.get("secrets", [])
    }
    assert of_weights <= {made for made, _ in made_keys(page(name))}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_commands_are_shell(path: Path) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash on this machine; install it")
    for block in shell_blocks(path.read_text(encoding="utf-8")):
        done = subprocess.run([bash, "-n", "-c", block], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{done.stderr}\n{block}"


def test_there_are_commands() -> None:
    assert len(shell_blocks(page("platform.md"))) >= 8
    assert len(shell_blocks(page("stores.md"))) >= 4


def test_every_part_of_the_platform_has_a_fixed_version() -> None:
    text = page("platform.md")
    exported = dict(re.findall(r"export ([A-Z_]+)=(\S+)", text))
    commands = "\n".join(shell_blocks(text))
    assert set(re.findall(r"\$([A-Z_]+)", commands)) == exported.keys()
    assert all(re.fullmatch(r"(knative-)?v\d+\.\d+\.\d+", version) for version in exported.values())
    downloads = re.findall(r"https://github\.com/\S+", commands)
    assert len(downloads) >= 10
    assert all(re.search(r"/releases/download/\$[A-Z_]+/", address) for address in downloads)
    assert re.findall(r"helm install .*", commands)
    for line in re.findall(r"helm install .*", commands):
        assert "--version $" in line
