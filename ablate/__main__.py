"""`python -m ablate`, as `torchrun -m ablate` needs it; finds the same modules as `ablate` does."""

import os
import sys

# Python puts the working folder first, so files that came with a study, such as a torch.py, would be run.
if sys.path and sys.path[0] in ("", os.getcwd()):
    del sys.path[0]

from ablate.cli import main

if __name__ == "__main__":
    sys.exit(main())
