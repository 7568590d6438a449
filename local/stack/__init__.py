"""The whole system on this machine: run, up, env, down."""
