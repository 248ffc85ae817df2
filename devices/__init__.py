"""Drivers: turnstiles over Modbus, cameras and code readers."""
