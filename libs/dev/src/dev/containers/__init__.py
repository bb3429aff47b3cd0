"""The platform as containers: its images, hardened, on a network of their own with their stores."""

from dev.containers.contained import HARDENED, Contained
from dev.containers.owned import LABELS, tidy
from dev.containers.platform import ContainerPlatform
from dev.containers.stores import Stores

__all__ = ["HARDENED", "LABELS", "Contained", "ContainerPlatform", "Stores", "tidy"]
