"""The sections as PyTorch modules, each a drop-in for its namesake in ``torch.nn``."""
