"""Feeds and sitemaps: what is public, as RSS, Atom, JSON Feed and for crawlers.

Everything is a function of one catalog and of ``cms.toml``: the addresses too, which are never taken from a request. ``items`` makes values of
entries, ``formats`` and ``sitemap`` write them; neither knows of HTTP.
"""
