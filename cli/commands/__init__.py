"""What an operator can type: one module, one command."""
