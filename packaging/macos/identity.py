"""Signs a XAR archive with a PEM identity, by the program openssl.

An archive has its signature twice, as Apple's own `productsign` writes it: RSA over the checksum of the table of contents, which every
macOS reads, and CMS over the same octets (RFC 5652), which newer ones prefer and notarisation wants. Neither has a time stamp here.
"""

import base64
import os
import re
import ssl
import subprocess
import tempfile

CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----\s+(.*?)-----END CERTIFICATE-----", re.DOTALL)


class Identity:
    """A private key and its certificates, the key's own first."""

    def __init__(self, certificates_path: str, key_path: str) -> None:
        self.certificates_path, self.key_path = certificates_path, key_path
        with open(certificates_path, "rb") as file:
            self.certificates = [base64.b64decode(found) for found in CERTIFICATE.findall(file.read())]
        if not self.certificates:
            raise ValueError(f"`{certificates_path}` has no certificate in PEM")
        if self._public("pkey", "-in", key_path, "-pubout") != self._public(
            "x509", "-in", certificates_path, "-noout", "-pubkey"
        ):
            raise ValueError(f"the first certificate in `{certificates_path}` is not of the key in `{key_path}`")

    @classmethod
    def from_environment(cls) -> "Identity | None":
        """The identity that COUNTERSIGN_INSTALLER_CERTIFICATE and COUNTERSIGN_INSTALLER_KEY name; none where both are unset."""
        names = "COUNTERSIGN_INSTALLER_CERTIFICATE", "COUNTERSIGN_INSTALLER_KEY"
        paths = [os.environ.get(name) for name in names]
        if not any(paths):
            return None
        if not all(paths):
            raise ValueError(f"{' and '.join(names)} belong together")
        return cls(*paths)

    def rsa(self, table: bytes) -> bytes:
        """PKCS #1 v1.5 over the SHA-1 of the packed table of contents, the checksum that the archive has of it."""
        return self._openssl(table, "dgst", "-sha1", "-sign", self.key_path)

    def cms(self, checksum: bytes) -> bytes:
        """A detached SignedData in DER, with the certificates."""
        issuers = b"".join(ssl.DER_cert_to_PEM_cert(der).encode() for der in self.certificates[1:])
        with tempfile.NamedTemporaryFile() as file:
            file.write(issuers)
            file.flush()
            chain = ("-certfile", file.name) if issuers else ()
            how = ("-binary", "-outform", "DER", "-md", "sha256", "-nosmimecap")
            signer = ("-signer", self.certificates_path, "-inkey", self.key_path)
            return self._openssl(checksum, "cms", "-sign", *how, *signer, *chain)

    @staticmethod
    def _public(*arguments: str) -> bytes:
        return subprocess.run(["openssl", *arguments], check=True, capture_output=True).stdout

    @staticmethod
    def _openssl(content: bytes, *arguments: str) -> bytes:
        return subprocess.run(["openssl", *arguments], input=content, check=True, capture_output=True).stdout
