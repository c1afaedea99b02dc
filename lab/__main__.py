"""The entry point of `lab` and of `python -m lab`: Ctrl-C counts from the first moment on."""

import atexit
import gc
import sys


def main() -> None:
    """Run the command line."""
    atexit.register(gc.freeze)  # else the interpreter looks through all its modules before it ends: 70 ms
    try:
        from lab.cli.app import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
