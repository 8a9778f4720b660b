"""`python -m siwork`."""

import sys

from siwork.cli.main import main

sys.exit(main())
