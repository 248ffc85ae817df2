"""`snowgate drill NAME`: the real stack under load, broken on purpose, its whole history checked from outside."""
