"""The environment of bench/celery_peer.py: below .cache, made once, made anew when the versions change."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bench.process import ROOT

FOLDER = ROOT / ".cache" / "bench-celery"
REQUIREMENTS = (
    "celery==5.7.0",
    "redis==8.1.0",
    "packaging==26.3",  # kombu imports it and does not ask for it
    "fastapi==0.165.0",
    "uvicorn[standard]==0.54.0",
    "psycopg[binary]==3.3.9",
    "psycopg-pool==3.3.3",
    "boto3==1.44.5",
)


def prepare() -> Path:
    """The folder of its programs; installs what is not there."""
    stamp, wanted = FOLDER / "requirements.txt", "\n".join(REQUIREMENTS) + "\n"
    if not stamp.exists() or stamp.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", FOLDER], check=True)
        pip = [str(FOLDER / "bin" / "python"), "-m", "pip", "install", "-qq", "--compile"]
        subprocess.run([*pip, "--disable-pip-version-check", *REQUIREMENTS], check=True)
        stamp.write_text(wanted)
    return FOLDER / "bin"
