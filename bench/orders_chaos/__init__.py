"""Whether orders loses, doubles or splits an order while everything under it is killed."""
