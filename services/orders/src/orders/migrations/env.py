"""Migrates the tables of orders."""

from chassis_core.migrations import run
from orders.models import Base

run(Base.metadata)
