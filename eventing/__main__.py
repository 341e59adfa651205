"""`python -m eventing` is the `reelzero` command."""

from eventing.cli import main

if __name__ == "__main__":
    main()
