import sys

from closedbook.cli import main

sys.exit(main())
