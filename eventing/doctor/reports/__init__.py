"""Write what the checks find: text, JSON, SARIF."""
