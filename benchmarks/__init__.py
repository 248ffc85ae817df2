"""What `snowgate bench NAME` measures. Above every room: may import all of them, and nothing imports it."""
