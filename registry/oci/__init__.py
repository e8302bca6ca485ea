"""Grammar and values of the OCI and Docker registry protocols: no I/O, no clock, no trio."""
