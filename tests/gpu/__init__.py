"""`make gpu-check`: hf on this machine's GPU against the CPU's numbers."""
