"""The content API over HTTP: translates requests and answers, decides nothing. Conventions in ``docs/api.md``."""
