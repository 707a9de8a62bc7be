"""Finds webhook events a service lost, runs them through its own handlers once, and proves what is complete."""
