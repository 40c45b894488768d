"""What `study`, `gan` and `eval` share, and nothing that belongs to one of them: files, processors, commands."""
