"""Make a certificate that signs content credentials, for operators who have none.

The profile is that of C2PA 2.1, section 14.5: an end-entity certificate with the extended key usage of C2PA
claim signing, issued by a certificate authority. Both are made here, so no verifier trusts them by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

PrivateKey = ec.EllipticCurvePrivateKey
LIFETIME = timedelta(days=3650)
CLOCK_SKEW = timedelta(days=1)
CLAIM_SIGNING = ObjectIdentifier("1.3.6.1.4.1.62558.2.1")  # c2pa-kp-claimSigning
AUTHORITY = "reelzero self-made authority"
SIGNER = "reelzero self-made signer"


@dataclass(frozen=True)
class SigningPair:
    """A certificate chain, end entity first, and its private key: both PEM."""

    chain: bytes
    key: bytes


def make_self_made() -> SigningPair:
    """Make a certificate authority, and a certificate that it issues. The authority's key is thrown away."""
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    leaf = _end_entity(key, authority_key).sign(authority_key, hashes.SHA256())
    chain = [leaf, _authority(authority_key).sign(authority_key, hashes.SHA256())]
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return SigningPair(b"".join(one.public_bytes(Encoding.PEM) for one in chain), private)


def _authority(key: PrivateKey) -> x509.CertificateBuilder:
    builder = _unsigned(AUTHORITY, key)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    return builder.add_extension(_usage(signs_certificates=True), critical=True)


def _end_entity(key: PrivateKey, issuer: PrivateKey) -> x509.CertificateBuilder:
    builder = _unsigned(SIGNER, key)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key())
    purposes = x509.ExtendedKeyUsage([CLAIM_SIGNING, ExtendedKeyUsageOID.EMAIL_PROTECTION])
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
    return builder.add_extension(identifier, critical=False).add_extension(purposes, critical=False)


def _unsigned(name: str, key: PrivateKey) -> x509.CertificateBuilder:
    """Begin a certificate that the authority issues."""
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(_name(AUTHORITY), _name(name), key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - CLOCK_SKEW).not_valid_after(now + LIFETIME)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return builder.add_extension(identifier, critical=False)


def _name(name: str) -> x509.Name:
    organization = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "reelzero")
    return x509.Name([organization, x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
