"""Pure rules of the resort: no I/O, no ambient time, no ambient randomness."""
