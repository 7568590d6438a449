"""The pure core: one message to typed records. No Beam, no Google, no Azure."""
