"""The entry point of `lab` and of `python -m lab`: Ctrl-C counts from the first moment on."""

import sys


def main() -> None:
    """Run the command line."""
    try:
        from lab.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
