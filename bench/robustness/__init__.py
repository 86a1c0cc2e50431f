"""Files and names of strangers, killed processes, full disks, other environments: what was tried and what went wrong."""
