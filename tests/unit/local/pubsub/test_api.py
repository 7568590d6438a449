"""The messages of Pub/Sub's API come without Google's clients."""

import subprocess
import sys

import pytest

from local.process import ROOT

CLIENTS = """
import sys
import local.pubsub.command, local.pubsub.topics
print([name for name in ("google.auth", "requests") if name in sys.modules])
"""
SAME = """
{imports}
from google.pubsub_v1 import PublisherClient, types as of_clients
print(api.types.Topic is of_clients.Topic, PublisherClient.__name__)
"""


def output_of(program):
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_server_does_not_import_them():
    assert output_of(CLIENTS) == "[]"


@pytest.mark.parametrize(
    "imports",
    [
        "from local.pubsub import api",
        "import google.pubsub_v1; from local.pubsub import api",
    ],
)
def test_the_clients_can_be_imported_later_and_have_the_same_messages(imports):
    assert output_of(SAME.format(imports=imports)) == "True PublisherClient"
