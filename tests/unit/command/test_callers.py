"""Whose requests a server of this machine answers."""

import pytest

from command.callers import names_of, refusal

HERE = names_of("127.0.0.1")


def refused(method="GET", names=HERE, **headers):
    given = {name.replace("_", "-"): text for name, text in headers.items()}
    return refusal(method, given.get, names)


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1:9050", "LOCALHOST:80", "[::1]:9050"]
)
def test_a_program_on_this_machine_is_answered(host):
    assert refused("POST", host=host) is None


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:9050", "127.0.0.1.evil.example", "", "[::1", "0"],
)
def test_a_name_that_somebody_has_pointed_here_is_refused(host):
    assert "names of its own machine" in refused(host=host)


def test_a_request_without_a_host_is_refused():
    assert refused() is not None


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:3000", "", "https://["]
)
def test_a_page_of_another_origin_is_refused(origin):
    assert "other sites" in refused("POST", host="localhost:9050", origin=origin)


def test_a_page_of_this_server_is_answered():
    own = "http://localhost:9050"
    headers = {"host": "localhost:9050", "origin": own, "sec_fetch_site": "same-origin"}
    assert refused("POST", **headers) is None


@pytest.mark.parametrize("site", ["cross-site", "same-site", "new-word"])
def test_what_another_page_embeds_is_refused(site):
    assert refused(host="localhost", sec_fetch_site=site) is not None


def test_a_link_that_a_user_follows_is_answered():
    headers = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"}
    assert refused(host="localhost", **headers) is None


def test_a_form_that_another_page_sends_is_refused():
    headers = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"}
    assert refused("POST", host="localhost", **headers) is not None


def test_a_server_that_listens_for_others_has_any_name_and_no_foreign_page():
    anywhere = names_of("0.0.0.0")
    assert refused(names=anywhere, host="box.lan:8080") is None
    foreign = {"host": "box.lan:8080", "origin": "http://evil.example"}
    assert refused("POST", names=anywhere, **foreign) is not None


def test_further_names_are_answered():
    assert refused(names=names_of("::1", ["pages.lan"]), host="pages.lan") is None
