"""What sales partners speak: the open standard OCTO (octo.travel), as plain words and rules. Pure."""
