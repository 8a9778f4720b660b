"""Reading completions: lists, one of them whole, its problem across rounds, references."""
