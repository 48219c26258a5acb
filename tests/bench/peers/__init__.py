"""Other systems with the same posts, asked the same questions: ``python -m tests.bench.peers``."""
