"""Where events go: a Python callable in worker processes, the same in our own process, or a URL.

A target delivers and tells; it claims nothing and, but for handlers that take a session, marks nothing.
"""
