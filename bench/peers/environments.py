"""The virtual environments of celery_peer.py and procrastinate_peer.py, below .cache.

Each is made on first use and again when its versions change. Without a package index it cannot be made: the
side is then absent.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bench.harness.process import ROOT
from bench.harness.records import Missing

COMMON = (
    "fastapi==0.165.0",
    "uvicorn[standard]==0.54.0",
    "psycopg[binary]==3.3.9",
    "psycopg-pool==3.3.3",
    "boto3==1.44.5",
)
REQUIREMENTS = {
    # kombu imports packaging but does not declare it
    "celery": ("celery==5.7.0", "redis==8.1.0", "packaging==26.3", *COMMON),
    "procrastinate": ("procrastinate==3.10.0", *COMMON),
}


def prepare(name: str) -> Path:
    """Install what is missing; return the folder of the programs."""
    folder, versions = ROOT / ".cache" / f"bench-{name}", "\n".join(REQUIREMENTS[name]) + "\n"
    stamp = folder / "requirements.txt"
    if not stamp.exists() or stamp.read_text() != versions:
        _install(name, folder)
        stamp.write_text(versions)
    return folder / "bin"


def _install(name: str, folder: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "-qq", "--compile"]
    command = [*pip, "--disable-pip-version-check", *REQUIREMENTS[name]]
    process = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    if process.returncode:
        last = (process.stderr.strip().splitlines() or ["no message"])[-1]
        raise Missing(f"the environment of {name}, which pip could not install: {last}")
