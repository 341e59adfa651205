"""Write to the terminal: answers, progress, small pictures."""
