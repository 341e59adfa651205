"""Keep one self-made certificate per data directory, so that all videos of a machine have one signer."""

from __future__ import annotations

from collections.abc import Mapping

from eventing.contract.certificates import make_self_made
from eventing.contract.env import PREFIX
from eventing.standalone.data.data_dir import DataDir
from eventing.standalone.data.files import make_private_folder, write_private

CERTIFICATE, KEY = PREFIX + "MARK_CERTIFICATE", PREFIX + "MARK_KEY"


def signing_environment(data: DataDir, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the predictor's variables for the certificate; none if the user set some. Raises OSError."""
    if environment.get(CERTIFICATE) or environment.get(KEY) or environment.get(PREFIX + "MARK") == "off":
        return {}
    chain, key = data.mark / "certificate.pem", data.mark / "key.pem"
    if not chain.exists():
        pair = make_self_made()
        make_private_folder(data.mark)
        write_private(key, pair.key.decode())
        write_private(chain, pair.chain.decode())  # last: with it the pair is complete
    return {CERTIFICATE: str(chain), KEY: str(key)}
