"""The engine over tantivy, for sites that want its speed on one machine. Optional: ``pip install branchpress[tantivy]``.

The words are ours (``analysis``, ``postings``), the meaning of a query is ours (``querytext``); tantivy stores, counts and
scores. Nothing here is imported unless a site asks for this engine, and nothing else imports tantivy.
"""
