"""What is written behind commits: summaries for lists, and pages for people. All of it advisory."""
