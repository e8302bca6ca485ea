import pytest

from registry.auth import Access, AccessController, Challenge, InvalidParameter, OpenAccess
from registry.auth.htpasswd import HtpasswdAccess


@pytest.mark.parametrize("authorization", [None, "Basic dTpw", "Bearer x", "\0"])
async def test_open_access_lets_everyone_do_everything(authorization: str | None) -> None:
    controller: AccessController = OpenAccess()
    access = Access("repository", "a/b", "delete")
    identity = await controller.authorize(authorization, [access])
    assert identity.name == ""
    assert controller.may(identity, access)


def test_a_challenge_carries_its_header_and_rights_but_says_neither() -> None:
    access = [Access("registry", "catalog", "*")]
    challenge = Challenge('Basic realm="r"', access)
    assert challenge.header == 'Basic realm="r"'
    assert challenge.access == tuple(access)
    assert "realm" not in str(challenge)


def test_an_invalid_parameter_names_itself() -> None:
    with pytest.raises(InvalidParameter, match="realm: is empty") as caught:
        HtpasswdAccess("", "htpasswd")
    assert caught.value.parameter == "realm"
