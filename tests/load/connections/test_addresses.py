"""Connections go where the target's name says, and nowhere that no target is."""

from __future__ import annotations

import asyncio
import time

import pytest

from gitslo.errors import Refused, Retry
from gitslo.load.connections.addresses import Addresses, acceptable, resolved

A, B, C = ("192.0.2.1", 80), ("192.0.2.2", 80), ("192.0.2.3", 80)


@pytest.mark.parametrize(
    "special", ["169.254.169.254", "fe80::1%eth0", "224.0.0.1", "0.0.0.0", "::", "::ffff:169.254.169.254"]
)
def test_a_name_cannot_stand_for_a_special_address(special):
    """Link-local addresses, where clouds keep credentials, are not loaded because somebody's DNS says so."""
    assert acceptable("shop.test", [(special, 80), A]) == (A,)


def test_a_special_address_may_be_named():
    """Who writes the address, and is allowed to, means it."""
    assert acceptable("169.254.1.1", [("169.254.1.1", 80)]) == (("169.254.1.1", 80),)


def test_connections_are_spread_over_all_addresses():
    """Each new connection begins with the next address, and tries the others after it."""
    addresses = Addresses([A, B, C])
    orders = [addresses.order() for _ in range(6)]

    assert {order[0] for order in orders[:3]} == {A, B, C}
    assert orders[:3] == orders[3:]
    assert all(set(order) == {A, B, C} for order in orders)


def test_an_address_that_failed_comes_last():
    """While another address works, one that failed is tried only after it."""
    addresses = Addresses([A, B, C])
    addresses.failed(B)

    assert [addresses.order()[2] for _ in range(3)] == [B, B, B]


def test_when_all_have_failed_none_is_worse_than_another():
    """A target that was down and is back is found at once."""
    addresses = Addresses([A, B])
    addresses.failed(A)
    addresses.failed(B)

    assert {addresses.order()[0] for _ in range(2)} == {A, B}


def test_an_address_that_the_name_has_left_is_no_reason_to_forgive_another():
    """A connection to it may still fail after the look: that says nothing of those that there are."""
    addresses = Addresses([B, C])
    addresses.failed(B)
    addresses.failed(A)

    assert {addresses.order()[1] for _ in range(2)} == {B}


def test_a_name_is_looked_up_again():
    """Connections with an age find where the name has moved to meanwhile."""

    async def moved() -> tuple[object, ...]:
        addresses = Addresses([A], ("localhost", 80), every=1.0)
        addresses.refresh(time.monotonic() + 2.0)
        await asyncio.gather(*asyncio.all_tasks().difference({asyncio.current_task()}))
        return addresses.order()

    assert ("127.0.0.1", 80) in asyncio.run(moved())


def test_an_unknown_name_is_no_verdict():
    """Whether a name is known may change by itself: it is tried again, and nothing is decided."""
    with pytest.raises(Retry, match=r"the address of `no-such-host\.invalid` is not known"):
        resolved("no-such-host.invalid", 80)


def test_a_name_for_nothing_but_special_addresses_is_refused(tmp_path):
    """It would be tried in vain."""
    with pytest.raises(Refused, match="is no address that load is sent to"):
        resolved("0", 80)
