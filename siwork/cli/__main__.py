"""`python -m siwork.cli`."""

import sys

from siwork.cli.main import main

sys.exit(main())
