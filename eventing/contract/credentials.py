"""Sign C2PA content credentials into an MP4: made by AI, which model and revision, when, for which request.

The prompt is not in them unless the operator wants it. The request is: as the SHA-256 of its canonical JSON.
The format is C2PA 2.1 (https://spec.c2pa.org); c2pa-python embeds the manifest as a `uuid` box of the MP4.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import c2pa
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

from eventing import __version__
from eventing.contract.certificates import SIGNER, SigningPair, make_self_made
from eventing.contract.errors import BrokenVideo, ConfigurationError
from eventing.contract.records.models import GenerationSpec
from eventing.contract.records.results import Mark
from eventing.contract.storage.checksums import sha256_of

AI_MADE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
ASSERTION = "dev.reelzero.generation"
ACCEPTED = ("Valid", "Trusted")  # states of c2pa-python: whole and signed; Trusted: by an authority it knows
EC_ALGORITHMS = {
    256: c2pa.C2paSigningAlg.ES256,
    384: c2pa.C2paSigningAlg.ES384,
    521: c2pa.C2paSigningAlg.ES512,
}


@dataclass(frozen=True)
class Origin:
    """What the credentials say about one video. `created_at` is an RFC 3339 time."""

    model: str
    revision: str
    request_sha256: str
    created_at: str
    prompt: str | None = None

    def manifest(self) -> dict[str, Any]:
        """Return the C2PA manifest definition."""
        agent = {"name": self.model, "version": self.revision}
        made = definition("video.mp4", AI_MADE, self.created_at, softwareAgent=agent)
        made["assertions"].append({"label": ASSERTION, "data": self._generation()})
        return made

    def _generation(self) -> dict[str, str]:
        data = {"model": self.model, "revision": self.revision, "request_sha256": self.request_sha256}
        return data if self.prompt is None else data | {"prompt": self.prompt}


def digest(spec: GenerationSpec) -> str:
    """Return the SHA-256 of a request: of its JSON with sorted keys, no spaces, in UTF-8."""
    text = json.dumps(spec.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def definition(title: str, source_type: str, created_at: str, **more: Any) -> dict[str, Any]:
    """Return the C2PA manifest definition of an MP4 that was created. `more` is said of that action."""
    action = {"action": "c2pa.created", "digitalSourceType": source_type, "when": created_at, **more}
    return {
        "claim_generator_info": [{"name": "reelzero", "version": __version__}],
        "title": title,
        "format": "video/mp4",
        "instance_id": f"xmp:iid:{uuid.uuid4()}",
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}],
    }


class Claim(Protocol):
    """What credentials say about a file."""

    def manifest(self) -> dict[str, Any]:
        """Return the C2PA manifest definition."""


class Credentials:
    """A certificate that fits C2PA, and its key."""

    def __init__(self, pair: SigningPair) -> None:
        """Check that key and certificate belong together. Raises ConfigurationError naming the setting."""
        certificate, key = _certificate(pair.chain), _key(pair)
        self._algorithm = _algorithm(key)
        if _public(key.public_key()) != _public(certificate.public_key()):
            raise ConfigurationError("REELZERO_MARK_KEY is not the key of REELZERO_MARK_CERTIFICATE")
        self._pair = pair
        self.signer = _common_name(certificate)
        self.is_self_made = self.signer == SIGNER

    def sign(self, path: Path, origin: Claim) -> Mark:
        """Sign credentials into an MP4, in place, and read them back.

        Raises BrokenVideo if they cannot be read back, OSError, c2pa.C2paError.
        """
        unmarked = sha256_of(path)
        signed = path.with_suffix(".signed.mp4")
        with self._signer() as signer, c2pa.Builder(origin.manifest()) as builder:
            builder.sign_file(path, signed, signer)
        signed.replace(path)
        return Mark(
            manifest=require_valid(path),
            signed_by=self.signer,
            self_made=self.is_self_made,
            unmarked_sha256=unmarked,
        )

    def _signer(self) -> c2pa.Signer:
        info = c2pa.C2paSignerInfo(self._algorithm, self._pair.chain, self._pair.key, None)
        return c2pa.Signer.from_info(info)


def load_credentials(certificate: Path | None, key: Path | None) -> Credentials:
    """Return what signs: the operator's certificate, a self-made one without. Raises ConfigurationError."""
    if certificate is None or key is None:
        return Credentials(make_self_made())
    return Credentials(SigningPair(_read(certificate), _read(key)))


def require_valid(path: Path) -> str:
    """Return the URN of a file's active manifest. Raises BrokenVideo if it has none, or not a valid one."""
    try:
        with c2pa.Reader(path) as reader:
            state, text = reader.get_validation_state(), reader.json()
    except c2pa.C2paError as error:
        raise BrokenVideo("the content credentials of the video cannot be read back") from error
    if state not in ACCEPTED:
        raise BrokenVideo(f"the content credentials of the video are {state or 'not there'} after signing")
    return str(json.loads(text)["active_manifest"])


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"the file {path} for the mark cannot be read: {error.strerror}") from error


def _certificate(chain: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificates(chain)[0]
    except ValueError as error:
        raise ConfigurationError(
            "REELZERO_MARK_CERTIFICATE holds no PEM certificate; it must hold the chain, the signer's first"
        ) from error


def _key(pair: SigningPair) -> PrivateKeyTypes:
    try:
        return load_pem_private_key(pair.key, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigurationError("REELZERO_MARK_KEY holds no PEM private key without a password") from error


def _algorithm(key: PrivateKeyTypes) -> c2pa.C2paSigningAlg:
    """Return the algorithm of C2PA 2.1, section 13.2, that fits a key. Raises ConfigurationError."""
    match key:
        case ec.EllipticCurvePrivateKey() if key.key_size in EC_ALGORITHMS:
            return EC_ALGORITHMS[key.key_size]
        case ed25519.Ed25519PrivateKey():
            return c2pa.C2paSigningAlg.ED25519
        case rsa.RSAPrivateKey():
            return c2pa.C2paSigningAlg.PS256
    raise ConfigurationError(
        "REELZERO_MARK_KEY is of a kind that C2PA does not know; use P-256, P-384, P-521, Ed25519 or RSA"
    )


def _public(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _common_name(certificate: x509.Certificate) -> str:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else certificate.subject.rfc4514_string()
