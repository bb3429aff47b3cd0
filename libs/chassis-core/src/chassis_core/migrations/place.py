"""Where a service keeps its migrations."""

import inspect
from pathlib import Path


def migrations_of(settings: type) -> Path | None:
    """Return the migrations of the service whose settings class this is, or None.

    They stand beside the module of the settings, inside the package, so that a wheel and an image
    carry them without being told (`src/orders/settings.py`, `src/orders/migrations/`). In a source
    tree they may also stand beside `src`.
    """
    package = Path(inspect.getfile(settings)).resolve().parent
    for folder in (package / "migrations", package.parents[1] / "migrations"):
        if (folder / "env.py").is_file():
            return folder
    return None
