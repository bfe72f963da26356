"""``python -m tilia_async`` is the command ``tilia``."""

from tilia_async.cli import main

if __name__ == "__main__":
    main()
