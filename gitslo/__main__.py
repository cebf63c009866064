"""`python -m gitslo` and the console script."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from gitslo.cli.root import cli  # noqa: PLC0415 - click is not needed to import the package

    cli(prog_name="gitslo")


if __name__ == "__main__":
    main()
