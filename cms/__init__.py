"""Branchpress: a headless CMS whose only database is a Git repository of front-matter Markdown."""

__version__ = "0.1.0"
