"""Git over HTTP, tried with stock Git."""
