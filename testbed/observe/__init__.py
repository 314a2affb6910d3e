"""What is seen of a running facility from outside: samples of its monitoring, and dumps of its threads."""
