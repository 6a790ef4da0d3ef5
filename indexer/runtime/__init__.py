"""Running models: exported to ONNX on a CPU, in PyTorch on an accelerator.

`bundle` is all that a query needs, and imports no PyTorch; `export` and `accelerator` do.
"""
