"""Files of weights: safetensors, PyTorch's, TorchScript and ONNX, read by what is in them without running any of it."""
