"""Environments of the clients: a virtual environment or npm folder each, below .conformance, made once.

Clients must not share ours: kserve and tritonclient cannot live in one process, and cloudevents 1 and 2 are
one package name. A folder is made again when its requirements change.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".conformance"
CLIENTS = Path(__file__).parent / "clients"


@dataclass(frozen=True)
class Environment:
    """What is installed, which of it is shown in the table, and the scripts that run in it."""

    name: str
    requirements: tuple[str, ...]
    shown: tuple[str, ...]
    scripts: tuple[str, ...]
    node: bool = False

    @property
    def folder(self) -> Path:
        """Where it lives."""
        return FOLDER / self.name

    @property
    def python(self) -> str:
        """Its interpreter."""
        return str(self.folder / "bin" / "python")

    def command(self, script: str) -> list[str]:
        """How a script is run."""
        if self.node:
            # Modules are found from a script's own folder upwards, so it runs as a copy beside them.
            return ["node", str(self.folder / script)]
        return [self.python, str(CLIENTS / script)]


ENVIRONMENTS = (
    Environment("openai", ("openai>=3,<4",), ("openai",), ("openai_python.py",)),
    Environment(
        "tritonclient",
        ("tritonclient[http,grpc]>=2.60,<3",),
        ("tritonclient",),
        ("tritonclient_http.py", "tritonclient_grpc.py"),
    ),
    Environment("kserve", ("kserve>=0.21,<0.22",), ("kserve",), ("kserve_rest.py", "kserve_grpc.py")),
    Environment(
        "cloudevents1", ("cloudevents>=1.11,<2", "requests"), ("cloudevents",), ("cloudevents_python_1.py",)
    ),
    Environment("cloudevents2", ("cloudevents>=2,<3",), ("cloudevents",), ("cloudevents_python_2.py",)),
    Environment(
        "webhooks", ("standardwebhooks>=1,<2", "svix>=1,<3"), ("standardwebhooks", "svix"), ("webhooks.py",)
    ),
    Environment(
        "openapi-python-client",
        ("openapi-python-client>=0.29,<1", "httpx"),
        ("openapi-python-client",),
        ("openapi_python.py",),
    ),
    Environment("openrouter", ("openrouter>=1.3,<2",), ("openrouter",), ("openrouter_python.py",)),
    Environment("litellm", ("litellm>=1.110,<2",), ("litellm",), ("litellm_videos.py",)),
    Environment("mcp", ("mcp>=2.3,<3",), ("mcp",), ("mcp_python.py",)),
    Environment("httpie", ("httpie>=3.2,<4",), ("httpie",), ("httpie_rest.py",)),
    Environment(
        "descriptions",
        (
            "@asyncapi/parser@3",
            "@redocly/cli@2",
            "@stoplight/spectral-cli@6",
            "openapi-typescript@7",
            "typescript@5",
        ),
        ("@asyncapi/parser", "@redocly/cli", "@stoplight/spectral-cli", "openapi-typescript"),
        ("descriptions.mjs",),
        node=True,
    ),
    Environment(
        "node",
        ("cloudevents@10", "openai@7", "standardwebhooks@1"),
        ("cloudevents", "openai", "standardwebhooks"),
        ("cloudevents_node.mjs", "openai_node.mjs"),
        node=True,
    ),
)


def prepare(environment: Environment) -> None:
    """Install what is not there. Raises CalledProcessError with the installer's words on stderr."""
    stamp = environment.folder / "requirements.txt"
    wanted = "\n".join(environment.requirements) + "\n"
    if not stamp.exists() or stamp.read_text() != wanted:
        environment.folder.mkdir(parents=True, exist_ok=True)
        _install_node(environment) if environment.node else _install_python(environment)
        stamp.write_text(wanted)
    if environment.node:
        for script in CLIENTS.glob("*.mjs"):
            (environment.folder / script.name).write_bytes(script.read_bytes())


def versions(environment: Environment) -> dict[str, str]:
    """Installed versions of what is shown."""
    if environment.node:
        found = (environment.folder / "node_modules" / name / "package.json" for name in environment.shown)
        return {
            package.parent.relative_to(environment.folder / "node_modules").as_posix(): json.loads(
                package.read_text()
            )["version"]
            for package in found
        }
    code = "import importlib.metadata as m, json, sys\n"
    code += "print(json.dumps({n: m.version(n) for n in sys.argv[1:]}))"
    shown: dict[str, str] = json.loads(
        subprocess.check_output([environment.python, "-c", code, *environment.shown])
    )
    return shown


def _install_python(environment: Environment) -> None:
    subprocess.run([sys.executable, "-m", "venv", environment.folder], check=True)
    pip = [environment.python, "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, "--disable-pip-version-check", *environment.requirements], check=True)


def _install_node(environment: Environment) -> None:
    (environment.folder / "package.json").write_text('{"private": true, "type": "module"}\n')
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund", *environment.requirements]
    subprocess.run(command, check=True, cwd=environment.folder)
