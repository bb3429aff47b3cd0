from chassis_core.migrations import run
from notes import models

run(models.metadata)
