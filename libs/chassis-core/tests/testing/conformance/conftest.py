"""Lets the tests import the service that they sabotage."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
