"""`python -m truing` is the command `truing`."""

from .cli import main

if __name__ == "__main__":
    main()
