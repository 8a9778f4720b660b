"""`python -m tests.gpu`: the table, and exit status 1 where the GPU's numbers are not the CPU's."""

import sys

from tests.gpu.check import main

if __name__ == "__main__":
    sys.exit(main())
