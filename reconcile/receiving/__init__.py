"""What a live delivery passes on its way into the ledger: the door, its signature, the commit it shares with others."""
