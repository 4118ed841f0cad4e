"""Export: a trained module as .onnx and .tflite, each compared with the module that it came from."""
