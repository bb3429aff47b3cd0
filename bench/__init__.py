"""What the chassis costs, measured against bare FastAPI."""
