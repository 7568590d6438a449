"""A local Entra ID and an IRIS queue with TLS, as the bridge finds the real ones.

The bridge takes its usual way: `AZURE_AUTHORITY_HOST` is read by the SDK itself, and
`SSL_CERT_FILE` by both clients.
"""

import contextlib
import ipaddress
import json
import os
import ssl
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.integration.bridge_fixture import Simulator

TENANT = "4203b7a0-7773-4de5-b830-8b263a20426e"
CLIENT = "11111111-2222-3333-4444-555555555555"
SECRET = "fFy8Q~right.secret"
EXPIRED_SECRET = "fFy8Q~expired.secret"
# Port 5671 is AMQP's with TLS, and the SDK allows no other: so each process of the
# tests has an address to itself (Linux has all of 127/8).
QUEUE_HOST = (
    f"127.{os.getpid() // 62_500 % 200 + 20}.{os.getpid() // 250 % 250}."
    + str(os.getpid() % 250 + 1)
)
AMQPS_PORT = 5671


def write_certificate(path: Path) -> None:
    """Writes a certificate that signs itself, with its key, for these addresses."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gb-iris tests")])
    addresses = [ipaddress.ip_address(text) for text in ("127.0.0.1", QUEUE_HOST)]
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(each) for each in addresses]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )


class Entra(BaseHTTPRequestHandler):
    """Answers as Entra ID does for a client with a secret.

    Texts and codes are those of learn.microsoft.com, "Microsoft Entra authentication
    and authorization error codes".
    """

    ahead_seconds = 0.0  # of this machine's clock
    server: "EntraServer"

    def date_time_string(self, timestamp: float | None = None) -> str:
        now = time.time() if timestamp is None else timestamp
        return super().date_time_string(now - self.ahead_seconds)

    def log_message(self, *arguments: object) -> None:
        """Says nothing."""

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        form = parse_qs(self.rfile.read(length).decode())
        given = {name: texts[0] for name, texts in form.items()}
        refusal = self.refusal(self.path.split("/")[1], given)
        if refusal is None:
            token = {"token_type": "Bearer", "expires_in": 3599, "access_token": "t0k"}
            self.answer(200, token)
            return
        status, error, code, text = refusal
        description = (
            f"AADSTS{code}: {text} Trace ID: {uuid.uuid4()} Correlation ID: "
            f"{uuid.uuid4()} Timestamp: {datetime.now(UTC):%Y-%m-%d %H:%M:%SZ}"
        )
        content = {"error": error, "error_description": description}
        self.answer(status, content | {"error_codes": [code]})

    def refusal(
        self, tenant: str, given: dict[str, str]
    ) -> tuple[int, str, int, str] | None:
        client, secret = given["client_id"], given["client_secret"]
        if tenant != TENANT:
            text = f"Tenant '{tenant}' not found. Check to make sure you have the"
            return 400, "invalid_request", 90002, f"{text} correct tenant ID."
        if client != CLIENT:
            text = f"Application with identifier '{client}' was not found in the"
            return 400, "unauthorized_client", 700016, f"{text} directory 'Elexon'."
        if secret in self.server.expired:
            text = f"The provided client secret keys for app '{client}' are expired."
            return 401, "invalid_client", 7000222, text
        if secret != self.server.secret:
            text = "Invalid client secret provided. Ensure the secret being sent in the"
            text += " request is the client secret value, not the client secret ID,"
            return 401, "invalid_client", 7000215, f"{text} for a secret of '{client}'."
        return None

    def answer(self, status: int, content: dict[str, object]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class EntraServer(ThreadingHTTPServer):
    """With the secret that is valid, and those that were."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Entra)
        self.secret, self.expired = SECRET, {EXPIRED_SECRET}


class LiveIris:
    """Entra ID and the queue `iris.0001`, which only `CLIENT` may read."""

    def __init__(self, folder: Path, *options: str) -> None:
        certificate = folder / "live-iris.pem"
        write_certificate(certificate)
        self._entra = EntraServer()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
        self._entra.socket = context.wrap_socket(self._entra.socket, server_side=True)
        self._thread = threading.Thread(target=self._entra.serve_forever, args=(0.02,))
        self._thread.start()
        self.queue = Simulator(
            *("--host", QUEUE_HOST, "--port", str(AMQPS_PORT), "--queue", "iris.0001"),
            *("--certificate", str(certificate), *options),
        )
        authority = f"https://127.0.0.1:{self._entra.server_address[1]}"
        self.settings = {
            "IRIS_CLIENT_ID": CLIENT,
            "IRIS_CLIENT_SECRET": SECRET,
            "IRIS_QUEUE_NAME": "iris.0001",
            "IRIS_NAMESPACE": QUEUE_HOST,
            "AZURE_AUTHORITY_HOST": authority,
            "SSL_CERT_FILE": str(certificate),
        }

    def renew(self, secret: str) -> None:
        """Has the valid secret expire; from now on it is this one."""
        self._entra.expired.add(self._entra.secret)
        self._entra.secret = secret

    def stop(self) -> None:
        self.queue.stop()
        self._entra.shutdown()
        self._entra.server_close()
        self._thread.join()


@contextlib.contextmanager
def live_iris(folder: Path, *options: str) -> Iterator[LiveIris]:
    """A live IRIS; `options` are those of the simulator behind it."""
    iris = LiveIris(folder, *options)
    try:
        yield iris
    finally:
        iris.stop()
