"""What an analysis costs on AWS by the project's own model, beside what others charge."""
