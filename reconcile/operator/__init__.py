"""What an operator sees of the ledger, and sets right in it by hand."""
