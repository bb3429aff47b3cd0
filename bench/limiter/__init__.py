"""What the rate limiter admits and costs, alone and beside the `limits` library."""
