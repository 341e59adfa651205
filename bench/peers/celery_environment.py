"""The virtual environment of celery_peer.py, below .cache. It is rebuilt when the versions change."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bench.harness.process import ROOT

FOLDER = ROOT / ".cache" / "bench-celery"
REQUIREMENTS = (
    "celery==5.7.0",
    "redis==8.1.0",
    "packaging==26.3",  # kombu imports it but does not declare it
    "fastapi==0.165.0",
    "uvicorn[standard]==0.54.0",
    "psycopg[binary]==3.3.9",
    "psycopg-pool==3.3.3",
    "boto3==1.44.5",
)


def prepare() -> Path:
    """Install what is missing; return the folder of the programs."""
    stamp, versions = FOLDER / "requirements.txt", "\n".join(REQUIREMENTS) + "\n"
    if not stamp.exists() or stamp.read_text() != versions:
        subprocess.run([sys.executable, "-m", "venv", "--clear", FOLDER], check=True)
        pip = [str(FOLDER / "bin" / "python"), "-m", "pip", "install", "-qq", "--compile"]
        subprocess.run([*pip, "--disable-pip-version-check", *REQUIREMENTS], check=True)
        stamp.write_text(versions)
    return FOLDER / "bin"
