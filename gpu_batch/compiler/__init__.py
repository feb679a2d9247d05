"""The converter that made the default models: TFJS packages in, canonical ONNX out. Development only (needs `onnx`)."""
