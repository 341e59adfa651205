"""Every MP4 says that AI made it: signed, read back, and without the prompt unless the operator wants it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import av
import c2pa
import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from eventing.contract.certificates import SigningPair, make_self_made
from eventing.contract.credentials import Credentials, Origin, require_valid
from eventing.contract.errors import BrokenVideo, ConfigurationError
from predictor.generation.finish import load_finish
from predictor.generation.video.mp4 import write_mp4
from predictor.settings import PredictorSettings

ORIGIN = Origin("tiny", "0c0ffee", "d" * 64, "2026-11-25T10:00:00Z")
KEYS: dict[str, Callable[[], Any]] = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "RSA": lambda: rsa.generate_private_key(65537, 2048),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
}


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "video.mp4"
    frames = np.random.default_rng(0).integers(0, 255, (9, 64, 64, 3), dtype=np.uint8)
    write_mp4(frames, 8, path, lambda: None)
    return path


def frames_of(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24").tobytes() for frame in container.decode(video=0)]


def read(path: Path) -> dict[str, Any]:
    """Return the assertions of a file's active manifest by label."""
    with c2pa.Reader(path) as reader:
        store = json.loads(reader.json())
    assertions = store["manifests"][store["active_manifest"]]["assertions"]
    return {assertion["label"]: assertion["data"] for assertion in assertions}


def named(name: str) -> x509.Name:
    organization = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "A studio")
    return x509.Name([organization, x509.NameAttribute(NameOID.COMMON_NAME, name)])


def issued(
    key: Any, *, days: int = 30, purposes: tuple[Any, ...] = (ExtendedKeyUsageOID.EMAIL_PROTECTION,)
) -> bytes:
    """Return the PEM chain of a key with a certificate from an authority of its own."""
    authority = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    pem = b""
    for name, public, is_authority in (
        ("An operator", key.public_key(), False),
        ("An authority", authority.public_key(), True),
    ):
        builder = x509.CertificateBuilder(
            named("An authority"),
            named(name),
            public,
            x509.random_serial_number(),
            now - timedelta(days=60),
            now + timedelta(days=days),
        )  # fmt: skip
        usage = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only",
             "decipher_only"), False,
        )  # fmt: skip
        usage |= {
            "digital_signature": not is_authority,
            "key_cert_sign": is_authority,
            "crl_sign": is_authority,
        }
        builder = builder.add_extension(x509.BasicConstraints(is_authority, None), critical=True)
        builder = builder.add_extension(x509.KeyUsage(**usage), critical=True)
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key())
        builder = builder.add_extension(identifier, critical=False)
        subject = x509.SubjectKeyIdentifier.from_public_key(public)
        builder = builder.add_extension(subject, critical=False)
        if not is_authority and purposes:
            builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        pem += builder.sign(authority, hashes.SHA256()).public_bytes(Encoding.PEM)
    return pem


def private(key: Any) -> bytes:
    pem: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem


def test_a_signed_file_says_who_made_it_and_shows_the_same_frames(video: Path) -> None:
    before = frames_of(video)
    mark = Credentials(make_self_made()).sign(video, ORIGIN)
    assert frames_of(video) == before
    assertions = read(video)
    (action,) = assertions["c2pa.actions.v2"]["actions"]
    assert action["action"] == "c2pa.created"
    assert action["digitalSourceType"].endswith("/trainedAlgorithmicMedia")
    assert action["softwareAgent"] == {"name": "tiny", "version": "0c0ffee"}
    assert action["when"] == "2026-11-25T10:00:00Z"
    assert assertions["dev.reelzero.generation"] == {
        "model": "tiny", "revision": "0c0ffee", "request_sha256": "d" * 64,
    }  # fmt: skip
    assert mark.manifest == require_valid(video)
    assert (mark.signed_by, mark.self_made) == ("reelzero self-made signer", True)


def test_the_prompt_is_in_it_only_if_wanted(video: Path) -> None:
    with_prompt = Origin("tiny", "0c0ffee", "d" * 64, "2026-11-25T10:00:00Z", prompt="a red circle")
    Credentials(make_self_made()).sign(video, with_prompt)
    assert read(video)["dev.reelzero.generation"]["prompt"] == "a red circle"


def test_the_index_stays_in_front_of_the_frames(video: Path) -> None:
    Credentials(make_self_made()).sign(video, ORIGIN)
    body = video.read_bytes()
    assert body.index(b"moov") < body.index(b"mdat")


def test_a_changed_file_is_noticed(video: Path) -> None:
    Credentials(make_self_made()).sign(video, ORIGIN)
    body = bytearray(video.read_bytes())
    body[-100] ^= 1
    video.write_bytes(body)
    with pytest.raises(BrokenVideo, match="Invalid"):
        require_valid(video)


def test_a_file_without_credentials_is_noticed(video: Path) -> None:
    with pytest.raises(BrokenVideo, match="cannot be read back"):
        require_valid(video)


@pytest.mark.parametrize("kind", KEYS)
def test_an_operators_certificate_signs(video: Path, kind: str) -> None:
    key = KEYS[kind]()
    mark = Credentials(SigningPair(issued(key), private(key))).sign(video, ORIGIN)
    assert (mark.signed_by, mark.self_made) == ("An operator", False)


def settings(tmp_path: Path, chain: bytes, key: bytes) -> PredictorSettings:
    for name, body in (("chain.pem", chain), ("key.pem", key)):
        (tmp_path / name).write_bytes(body)
    return PredictorSettings(
        mark_certificate=tmp_path / "chain.pem", mark_key=tmp_path / "key.pem", scratch_dir=tmp_path
    )


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda key: (b"nothing", private(key)), "REELZERO_MARK_CERTIFICATE holds no PEM certificate"),
        (lambda key: (issued(key), b"nothing"), "REELZERO_MARK_KEY holds no PEM private key"),
        (lambda key: (issued(KEYS["P-256"]()), private(key)), "REELZERO_MARK_KEY is not the key of"),
        (lambda key: (issued(key, days=-1), private(key)), "REELZERO_MARK_CERTIFICATE cannot sign"),
        (lambda key: (issued(key, purposes=()), private(key)), "REELZERO_MARK_CERTIFICATE cannot sign"),
    ],
    ids=["no certificate", "no key", "another key", "expired", "without a purpose"],
)
def test_a_pair_that_cannot_sign_is_refused_at_start(
    tmp_path: Path, make: Callable[[Any], tuple[bytes, bytes]], words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        load_finish(settings(tmp_path, *make(KEYS["P-256"]())))
