"""What another selector would have kept of the stored rows."""
