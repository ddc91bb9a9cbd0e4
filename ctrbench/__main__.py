"""``python -m ctrbench``."""

from ctrbench.command.cli import main

if __name__ == "__main__":
    main()
