"""`table`: the user's own prompts and answers as a task: rows, templates, checks, difficulty."""
