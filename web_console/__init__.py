"""HTTP API, live feed over WebSocket, and the pages people use."""
