"""`python -m cvq_tutorial` is the `cvq` command."""

import sys

from cvq_tutorial.run.cli import main

if __name__ == "__main__":
    sys.exit(main())
