"""The IRIS simulator: a Service Bus queue on this machine, and its demo feed."""
