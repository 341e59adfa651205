"""`reelzero serve` that cannot start says why in one line, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql+asyncpg://nobody:x@127.0.0.1:9/none", "the database cannot be reached"),
        ("sqlite+aiosqlite:///{}/none/jobs.db", "REELZERO_DATABASE_URL: there is no folder {}/none"),
    ],
)
def test_a_start_without_a_database_is_one_line(url: str, said: str, tmp_path: Path) -> None:
    pool = [{"model": "tiny", "lane": "default", "capacity": 1, "url": "http://127.0.0.1:9"}]
    settings = {
        "REELZERO_DATABASE_URL": url.format(tmp_path),
        "REELZERO_S3_BUCKET": "videos",
        "REELZERO_ENDPOINTS": json.dumps(pool),
        "REELZERO_PORT": "0",
        "REELZERO_AUTH": "open",
    }
    command = [sys.executable, "-m", "eventing", "serve"]
    done = subprocess.run(
        command, env=os.environ | settings, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert (done.stdout, done.stderr) == ("", f"reelzero: {said.format(tmp_path)}\n")
