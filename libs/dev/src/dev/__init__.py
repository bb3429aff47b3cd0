"""The commands of `./dev`: this platform on one machine."""
