"""`python -m expzoo` is the command `expzoo`."""

import sys

from expzoo.cli import main

sys.exit(main())
