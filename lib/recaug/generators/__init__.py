"""Generators of behaviour: the protocol, one file each, and the sampling that runs any of them in pandas UDFs."""
