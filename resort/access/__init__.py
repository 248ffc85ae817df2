"""Admission: codes, entitlements, the decision and the lane machine."""
