"""`python -m ablate`, as `torchrun -m ablate` needs it."""

import sys

from ablate.cli import main

if __name__ == "__main__":
    sys.exit(main())
