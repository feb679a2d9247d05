"""Runs models in canonical form: load, preprocess a frame, and turn outputs into detections."""
