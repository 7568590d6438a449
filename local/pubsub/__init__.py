"""Pub/Sub on this machine: an embedded server, or Google's emulator if asked for."""
