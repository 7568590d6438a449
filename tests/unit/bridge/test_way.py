"""What the network says of the way to the queue."""

import socket

from bridge.check import Way
from command.network import Server

QUEUE, ENTRA = Server("queue.example", 5671), Server("login.example", 443)
UNKNOWN = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
NO_ANSWER_YET = socket.gaierror(socket.EAI_AGAIN, "Temporary failure")


def test_an_unknown_name_that_the_user_has_set_is_final() -> None:
    finding = Way("IRIS_NAMESPACE", QUEUE, UNKNOWN, ENTRA, None).finding()
    assert finding.text.endswith(": check IRIS_NAMESPACE")
    assert finding.is_final


def test_elexons_own_name_may_be_known_later() -> None:
    finding = Way(None, QUEUE, UNKNOWN, ENTRA, None).finding()
    assert finding.text.endswith(": check DNS")
    assert not finding.is_final


def test_dns_that_does_not_answer_says_nothing_of_the_name() -> None:
    finding = Way("IRIS_NAMESPACE", QUEUE, NO_ANSWER_YET, ENTRA, None).finding()
    assert finding.text.endswith(": check DNS")
    assert not finding.is_final


def test_without_both_servers_it_is_the_network() -> None:
    finding = Way("IRIS_NAMESPACE", QUEUE, UNKNOWN, ENTRA, UNKNOWN).finding()
    assert "no network" in finding.text
    assert not finding.is_final
