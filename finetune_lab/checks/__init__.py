"""Whether this machine can do the work: each check gives findings with a remedy."""
