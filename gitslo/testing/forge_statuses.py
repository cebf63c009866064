"""What every Forge must do with commit statuses. Part of `forge_contract`."""

from __future__ import annotations

from collections.abc import Callable

from gitslo.errors import Refused
from gitslo.ports import Status, StatusState
from gitslo.testing.expectations import expect, expect_raised
from gitslo.testing.forge_world import HEAD, NOBODY, ForgeWorld

__all__ = ["STATUSES"]


def the_newest_status_of_a_context_counts(world: ForgeWorld) -> None:
    """Set again, a status is replaced; where it already stands so, nothing reaches the server."""
    commit = world.push(HEAD, "image", "v2")
    forge = world.forge()
    standing = Status(commit, "gitslo/shop/dev", StatusState.SUCCESS, "pass: 2 of 2 objectives")
    other = Status(commit, "gitslo/shop/staging", StatusState.FAILURE, "held", "https://example.com/report")
    forge.set_status(Status(commit, "gitslo/shop/dev", StatusState.PENDING, "running"))
    forge.set_status(other)
    forge.set_status(standing)
    before = world.effects()
    world.forge().set_status(standing)

    expect(world.effects(), before)
    expect(world.statuses(commit), (standing, other))


def a_status_that_stands_is_known_without_a_write(world: ForgeWorld) -> None:
    """A daemon that has just started asks for every status it wants: one that stands so costs nothing."""
    commit = world.push(HEAD, "image", "v2")
    forge = world.forge()
    standing = Status(commit, "gitslo/shop/dev", StatusState.SUCCESS, "pass: 2 of 2 objectives")
    expect(forge.has_status(standing), False)
    forge.set_status(standing)
    before = world.effects()

    expect([forge.has_status(standing), world.forge().has_status(standing)], [True, True])
    for other in (
        Status(commit, "gitslo/shop/dev", StatusState.SUCCESS, "pass: 3 of 3 objectives"),
        Status(commit, "gitslo/shop/dev", StatusState.FAILURE, standing.description),
        Status(commit, "gitslo/shop/staging", standing.state, standing.description),
        Status(NOBODY, standing.context, standing.state, standing.description),
    ):
        expect([forge.has_status(other), world.forge().has_status(other)], [False, False])
    expect(world.effects(), before)


def a_status_that_was_replaced_does_not_stand(world: ForgeWorld) -> None:
    """What the client itself has changed it does not take from an earlier look."""
    commit = world.push(HEAD, "image", "v2")
    forge = world.forge()
    green = Status(commit, "gitslo/shop/dev", StatusState.SUCCESS, "pass")
    red = Status(commit, "gitslo/shop/dev", StatusState.FAILURE, "held")
    forge.set_status(green)
    found = [forge.has_status(green)]
    forge.set_status(red)

    expect([*found, forge.has_status(green), forge.has_status(red)], [True, False, True])


def a_status_description_has_140_characters(world: ForgeWorld) -> None:
    """Forges cut or refuse more; ours say so."""
    commit = world.push(HEAD, "image", "v2")
    forge = world.forge()
    forge.set_status(Status(commit, "gitslo/shop/dev", StatusState.SUCCESS, "x" * 140))

    expect_raised(Refused, lambda: forge.set_status(Status(commit, "gitslo/shop/dev", StatusState.SUCCESS, "x" * 141)))


STATUSES: tuple[Callable[[ForgeWorld], None], ...] = (
    the_newest_status_of_a_context_counts,
    a_status_that_stands_is_known_without_a_write,
    a_status_that_was_replaced_does_not_stand,
    a_status_description_has_140_characters,
)
"""Every check of these, each for a fresh world."""
