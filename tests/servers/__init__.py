"""Servers on loopback that tests talk to."""
