"""Following runs while they grow: what is on the disk, measured and drawn away from the main thread."""
