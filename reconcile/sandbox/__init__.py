"""Honest fake providers: for the demo, the tests and the simulator.

A fake refuses what the real provider refuses, forgets what it forgets and hides what it hides. Each has a `truth`
(what really happened, in order), methods that make things happen, and `handle(request) -> response`, which goes
behind `httpx.MockTransport` in one process or behind `sandbox.server.serve` on loopback.
"""
