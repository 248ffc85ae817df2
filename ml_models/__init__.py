"""Pinned ONNX models and the sessions that run them."""
