"""Read the settings of a data folder without starting or writing anything."""

from __future__ import annotations

import os
from pathlib import Path

from eventing.contract.catalog import load_catalog
from eventing.contract.env import read
from eventing.settings import Settings
from eventing.standalone.data.data_dir import DataDir
from eventing.standalone.data.files import read_json
from eventing.standalone.options import endpoints
from eventing.standalone.processes.process import LOOPBACK, is_free
from eventing.standalone.s3.s3server import BUCKET, REGION

ASLEEP = "its S3 server runs while `reelzero up` does; not checked"


def inspect(folder: Path) -> tuple[Settings, str | None]:
    """Return the settings, and why object storage cannot be reached now; None if it can.

    Raises ConfigurationError naming the variable that cannot be read.
    """
    data, catalog_dir = DataDir(folder), os.environ.get("REELZERO_CATALOG_DIR")
    chosen: dict[str, object] = {"database_url": data.database_url}
    if "REELZERO_ENDPOINTS" not in os.environ:
        chosen["endpoints"] = endpoints(load_catalog(Path(catalog_dir) if catalog_dir else None))
    if "REELZERO_S3_ENDPOINT" in os.environ:
        return read(Settings, **chosen), None
    port = read_json(data.s3 / "ports.json").get("s3")
    chosen |= {"s3_bucket": BUCKET, "s3_region": REGION, "s3_endpoint": f"http://{LOOPBACK}:{port}"}
    asleep = not isinstance(port, int) or is_free(port)
    if not asleep:
        _use_keys(data)
    return read(Settings, **chosen), ASLEEP if asleep else None


def _use_keys(data: DataDir) -> None:
    """Give this process the folder's S3 keys, where the AWS chain looks first."""
    (identity, *_) = read_json(data.s3 / "identity.json")["identities"]
    keys = identity["credentials"][0]
    os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"] = (
        keys["accessKey"],
        keys["secretKey"],
    )
