"""Modules of one class side by side, compiled in about the time of one."""

from typing import Any

import torch


class SideBySide(torch.nn.Module):
    """Each module is given a sample of its own."""

    def __init__(self, modules: list[torch.nn.Module]) -> None:
        super().__init__()
        self.each = torch.nn.ModuleList(modules)

    def forward(self, samples: list[Any]) -> list[Any]:
        return [
            module(*sample) for module, sample in zip(self.each, samples, strict=True)
        ]
