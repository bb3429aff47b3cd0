from chassis_core.migrations import run
from users.models import Base

run(Base.metadata)
