"""Base images by digest, asked of a registry on this machine."""

import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cloud import bases
from cloud.bases import DOCKERFILES, Base, NoDigestError, digest_of, pin

INDEX = b'{"schemaVersion": 2, "manifests": []}'
DIGEST = f"sha256:{hashlib.sha256(INDEX).hexdigest()}"


class Registry(BaseHTTPRequestHandler):
    """One image, as Docker Hub serves it: only with a token, which everyone gets."""

    def do_GET(self):
        host = self.headers["Host"]
        if self.path.startswith("/token"):
            assert "scope=repository%3Ateam%2Fimage%3Apull" in self.path
            self.answer(200, json.dumps({"token": "tok.en"}).encode())
        elif self.headers["Authorization"] != "Bearer tok.en":
            scope = 'service="registry",scope="repository:team/image:pull"'
            challenge = f'Bearer realm="http://{host}/token",{scope}'
            self.answer(401, b"{}", challenge)
        elif self.path == "/v2/team/image/manifests/3.11-slim":
            assert "image.index" in self.headers["Accept"]
            self.answer(200, INDEX)
        else:
            self.answer(404, b"{}")

    def answer(self, code, body, challenge=None):
        self.send_response(code)
        if challenge:
            self.send_header("WWW-Authenticate", challenge)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def registry():
    with ThreadingHTTPServer(("127.0.0.1", 0), Registry) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def dockerfile(registry, tmp_path):
    path = tmp_path / "Dockerfile"
    image = f"{registry}/team/image:3.11-slim"
    path.write_text(f"FROM {image} AS a\nRUN true\nFROM {image}\nCOPY --from=a /a /a\n")
    return path


def test_a_tag_has_the_digest_of_what_the_registry_sends(registry):
    assert digest_of(f"{registry}/team/image:3.11-slim") == DIGEST


def test_a_tag_that_is_not_there_is_an_error_in_one_line(registry):
    with pytest.raises(NoDigestError, match=r"image:9 has no digest here: 404"):
        digest_of(f"{registry}/team/image:9")


def test_every_line_of_an_image_is_pinned_and_keeps_its_tag(dockerfile, registry):
    pin([dockerfile])
    lines = [x for x in dockerfile.read_text().splitlines() if x.startswith("FROM")]
    pinned = f"FROM {registry}/team/image:3.11-slim@{DIGEST}"
    assert lines == [f"{pinned} AS a", pinned]


def test_a_pinned_image_stays_until_an_update(dockerfile, registry):
    old = f"sha256:{'1' * 64}"
    text = dockerfile.read_text().replace("3.11-slim", f"3.11-slim@{old}")
    dockerfile.write_text(text)
    pin([dockerfile])
    assert dockerfile.read_text() == text
    pin([dockerfile], everything=True)
    tag = f"{registry}/team/image:3.11-slim"
    assert list(bases.bases([dockerfile])) == [Base(dockerfile, tag, DIGEST)]


@pytest.mark.parametrize(
    ("tag", "parts"),
    [
        ("python:3.11", ("registry-1.docker.io", "library/python", "3.11")),
        ("apache/beam:2.77.0", ("registry-1.docker.io", "apache/beam", "2.77.0")),
        ("gcr.io/a/b:1", ("gcr.io", "a/b", "1")),
    ],
)
def test_a_name_means_what_it_means_to_docker(tag, parts):
    assert bases._parts(tag) == parts


def test_the_dockerfiles_name_images_that_can_be_pinned():
    for path in DOCKERFILES:
        named = re.findall(r"^FROM (\S+)", path.read_text(), re.MULTILINE)
        found = {base.tag for base in bases.bases([path])}
        assert {name.partition("@")[0] for name in named} == found


def test_a_registry_out_of_reach_is_an_error_in_one_line(tmp_path):
    path = tmp_path / "Dockerfile"
    path.write_text("FROM 127.0.0.1:1/a:1\n")
    with pytest.raises(NoDigestError, match=r"^127\.0\.0\.1:1/a:1 has no digest here"):
        pin([path])
    assert path.read_text() == "FROM 127.0.0.1:1/a:1\n"
