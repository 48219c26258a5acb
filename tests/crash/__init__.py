"""Crashes: real publishing and pushing, killed and cut off from power at any moment, and what must hold afterwards."""
