"""Collecting replies from services that cost money: what was spent and read is on disk before anything else happens."""
