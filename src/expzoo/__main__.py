"""`python -m expzoo` is the command `expzoo`."""

import sys

from expzoo.cli.app import main

sys.exit(main())
