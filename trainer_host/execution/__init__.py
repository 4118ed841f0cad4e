"""Where an executor's calls run: in worker processes of this machine, or on the nodes of a Ray cluster."""
