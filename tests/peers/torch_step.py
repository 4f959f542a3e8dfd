"""Training steps in PyTorch, for `randlab-peers compare`.

torch_step.py NET BATCH contiguous|channels_last; NET is JSON: {"input": [C, H, W], "layers": [...]}. Says `ready`, the number of
parameters, the seconds of the first step and the version; then runs as many steps as each line of stdin says and answers with their
seconds.
"""

import json
import sys
import time

import torch
from torch import nn
from torch.nn.functional import cross_entropy


class Kept(nn.Module):
    """Works on the value kept for a shortcut."""

    def __init__(self, layers):
        super().__init__()
        self.inner = nn.Sequential(*map(module, layers))


class Net(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.modules_ = nn.ModuleList(map(module, layers))
        self.kinds = [layer["kind"] for layer in layers]

    def forward(self, x):
        kept = None
        for kind, module in zip(self.kinds, self.modules_):
            if kind == "keep":
                kept = x
            elif kind == "kept":
                kept = module.inner(kept)
            elif kind == "add":
                x = x + kept
            else:
                x = module(x)
        return x


def module(layer):
    match layer:
        case {"kind": "conv", "inputs": i, "filters": f, "kernel": k, "stride": s, "padding": p, "bias": bias}:
            return nn.Conv2d(i, f, k, s, p, bias=bias)
        case {"kind": "norm", "channels": channels}:
            return nn.BatchNorm2d(channels)
        case {"kind": "relu"}:
            return nn.ReLU(inplace=True)
        case {"kind": "max-pool"}:
            return nn.MaxPool2d(2)
        case {"kind": "average-pool"}:
            return nn.AdaptiveAvgPool2d(1)
        case {"kind": "linear", "inputs": i, "units": units}:
            return nn.Sequential(nn.Flatten(), nn.Linear(i, units))
        case {"kind": "kept", "layers": layers}:
            return Kept(layers)
        case _:
            return nn.Identity()


def main():
    given, batch, layout = json.loads(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    layout = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}[layout]
    torch.manual_seed(0)
    net = Net(given["layers"]).to(memory_format=layout)
    x = torch.randn(batch, *given["input"]).contiguous(memory_format=layout)
    y = torch.randint(0, 10, (batch,))
    sgd = torch.optim.SGD(net.parameters(), lr=0.001, momentum=0.9)

    def steps(count):
        start = time.perf_counter()
        for _ in range(count):
            sgd.zero_grad(set_to_none=True)
            logits = net(x)
            loss = cross_entropy(logits, y)
            loss.item()
            (logits.argmax(1) == y).sum().item()
            loss.backward()
            sgd.step()
        return time.perf_counter() - start

    parameters = sum(p.numel() for p in net.parameters())
    print("ready", parameters, steps(1), torch.__version__, flush=True)
    for line in sys.stdin:
        print(steps(int(line)), flush=True)


main()
