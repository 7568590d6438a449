"""The views: history and IRIS under one name, latest versions, resolved limits."""
