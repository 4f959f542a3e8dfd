"""Training steps in PyTorch, for `randlab-peers compare`.

torch_step.py NET BATCH contiguous|channels_last f32|bf16

NET is JSON: {"input": [C, H, W], "layers": [...]}. With bf16, forward pass and loss run under torch.autocast, as PyTorch recommends for
mixed precision; weights, gradients of weights and updates stay f32. Prints `ready`, the number of parameters, the seconds of the first
step and the version; then, for each line of stdin, runs that many steps and prints the seconds they took. Exits with code 3 and one
line on stderr when torch is not installed or the processor has no bf16 instructions.
"""

import json
import sys
import time

try:
    import torch
    from torch import nn
    from torch.nn.functional import cross_entropy
except ImportError as error:
    print(f"torch_step.py: {error}; install tests/peers/requirements.txt", file=sys.stderr)
    sys.exit(3)


# Names in /proc/cpuinfo of the instructions that multiply bf16: without them PyTorch computes bf16 products in f32, slowly.
BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}


def has_bf16():
    try:
        with open("/proc/cpuinfo") as cpuinfo:
            lines = [line for line in cpuinfo if line.startswith(("flags", "Features"))]
    except OSError:
        return False
    return any(BF16_FLAGS & set(line.split()) for line in lines)


class Kept(nn.Module):
    """Layers on the value kept for a shortcut."""

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
    given, batch, layout, dtype = json.loads(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
    if dtype == "bf16" and not has_bf16():
        print("torch_step.py: the processor has no bf16 instructions; leave out the peer pytorch-bf16", file=sys.stderr)
        sys.exit(3)
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
            with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bf16"):
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
