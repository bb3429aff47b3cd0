"""A small service that keeps every promise, until somebody sabotages it."""
