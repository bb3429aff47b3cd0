"""What `chassis explain` knows, one module a kind of thing; all of it is read from the code."""
