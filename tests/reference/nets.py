"""Numbers for crates/nn/tests/trajectories.rs: small nets trained by PyTorch in float64, without random numbers.

python3 tests/reference/nets.py   (torch 2.15, torchvision 0.29)

The modules below are first compared with torchvision's, name by name and shape by shape, where it has the net.

Learning rates are such that rounding does not grow: with larger ones the loss jumps up and down over the 20 steps, and two
runs that differ in the last bit are soon two different runs. Each trajectory is followed again in float32 and must stay
within 1e-5 of its numbers.
"""

import torch
import torchvision
from torch import nn
from torch.nn.functional import cross_entropy, relu


def wave(shape, a, b, s):
    """Entry k (row-major) is s sin(a k^2 + b)."""
    count = torch.Size(shape).numel()
    k = torch.arange(count, dtype=torch.float64)
    return (s * torch.sin(a * (k * k) + b)).reshape(shape)


def scaled(width, factor):
    return max(1, round(width * factor))


def vgg(factor, batch_norm, classes):
    modules, channels = [], 3
    for group in [[64] * 2, [128] * 2, [256] * 3, [512] * 3, [512] * 3]:
        for width in (scaled(w, factor) for w in group):
            modules += [nn.Conv2d(channels, width, 3, padding=1)]
            modules += [nn.BatchNorm2d(width)] if batch_norm else []
            modules += [nn.ReLU()]
            channels = width
        modules += [nn.MaxPool2d(2)]
    net = nn.Sequential()
    net.add_module("features", nn.Sequential(*modules))
    net.add_module("flatten", nn.Flatten())
    net.add_module("head", nn.Linear(channels, classes))
    return net


class BasicBlock(nn.Module):
    def __init__(self, channels, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = nn.Identity()
        if stride > 1 or channels != width:
            self.downsample = nn.Sequential(nn.Conv2d(channels, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, x):
        y = self.bn2(self.conv2(relu(self.bn1(self.conv1(x)))))
        return relu(y + self.downsample(x))


class ResNet(nn.Module):
    def __init__(self, imagenet, factor, classes):
        super().__init__()
        channels = scaled(64, factor)
        stem = (7, 2, 3) if imagenet else (3, 1, 1)
        self.conv1 = nn.Conv2d(3, channels, *stem, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.pool = nn.MaxPool2d(3, 2, 1) if imagenet else nn.Identity()
        for group, width in enumerate(scaled(w, factor) for w in (64, 128, 256, 512)):
            first = BasicBlock(channels, width, 2 if group else 1)
            self.add_module(f"layer{group + 1}", nn.Sequential(first, BasicBlock(width, width, 1)))
            channels = width
        self.fc = nn.Linear(channels, classes)

    def forward(self, x):
        x = self.pool(relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))


class WideBlock(nn.Module):
    def __init__(self, channels, width, stride):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.shortcut = nn.Conv2d(channels, width, 1, stride, bias=False) if channels != width else None

    def forward(self, x):
        normed = relu(self.bn1(x))
        y = self.conv2(relu(self.bn2(self.conv1(normed))))
        return y + (self.shortcut(normed) if self.shortcut else x)


class Wrn(nn.Module):
    def __init__(self, blocks, factor, kernel, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, kernel, padding=kernel // 2, bias=False)
        channels = 16
        for group, width in enumerate(w * factor for w in (16, 32, 64)):
            strides = [2 if group else 1] + [1] * (blocks - 1)
            widths = [channels] + [width] * (blocks - 1)
            group_of_blocks = [WideBlock(c, width, s) for c, s in zip(widths, strides)]
            self.add_module(f"layer{group + 1}", nn.Sequential(*group_of_blocks))
            channels = width
        self.bn = nn.BatchNorm2d(channels)
        self.head = nn.Linear(channels, classes)

    def forward(self, x):
        x = relu(self.bn(self.layer3(self.layer2(self.layer1(self.conv1(x))))))
        return self.head(x.mean((2, 3)))


def mlp(inputs, hidden, classes):
    net, width = nn.Sequential(nn.Flatten()), inputs
    for i, units in enumerate(hidden):
        net.add_module(f"fc{i + 1}", nn.Linear(width, units))
        net.add_module(f"relu{i + 1}", nn.ReLU())
        width = units
    net.add_module("head", nn.Linear(width, classes))
    return net


def cnn(convs, flat, hidden, classes):
    """Convolutions (channels, filters, kernel, stride, padding, pool), a hidden layer and a head."""
    net = nn.Sequential()
    for i, (channels, filters, kernel, stride, padding, pool) in enumerate(convs):
        net.add_module(f"conv{i + 1}", nn.Conv2d(channels, filters, kernel, stride, padding))
        net.add_module(f"relu{i + 1}", nn.ReLU())
        net.add_module(f"pool{i + 1}", nn.MaxPool2d(pool))
    net.add_module("flatten", nn.Flatten())
    net.add_module("fc1", nn.Linear(flat, hidden))
    net.add_module("relu", nn.ReLU())
    net.add_module("head", nn.Linear(hidden, classes))
    return net


def shapes(net, only=""):
    return {n: tuple(p.shape) for n, p in net.state_dict().items() if n.startswith(only)}


assert shapes(ResNet(True, 1, 1000)) == shapes(torchvision.models.resnet18())
assert shapes(vgg(1, False, 10), "features") == shapes(torchvision.models.vgg16(), "features")
assert shapes(vgg(1, True, 10), "features") == shapes(torchvision.models.vgg16_bn(), "features")
print("parameters of WRN-28-10:", sum(p.numel() for p in Wrn(4, 10, 3, 10).parameters()))


def start(net):
    """Parameters by name order: a wave of He's variance for weights, near 1 and 0 for batch norms and biases."""
    for k, (name, p) in enumerate(sorted(net.named_parameters())):
        phase = 0.2 + 0.1 * k
        if p.dim() > 1:
            values = wave(p.shape, 0.83, phase, 2 / p[0].numel() ** 0.5)
        else:
            values = wave(p.shape, 0.83, phase, 0.1) + (1 if name.endswith(".weight") else 0)
        p.data.copy_(values)


def losses(net, dtype, side, n, lr):
    net = net.to(dtype).train()
    start(net)
    decayed = [p for p in net.parameters() if p.dim() > 1]
    others = [p for p in net.parameters() if p.dim() <= 1]
    groups = [{"params": decayed, "weight_decay": 0.001}, {"params": others, "weight_decay": 0.0}]
    optim = torch.optim.SGD(groups, lr=lr, momentum=0.9)
    x, y = wave((n, 3, side, side), 0.37, 0.1, 1.3).to(dtype), torch.arange(n) % 3
    found = []
    for _ in range(20):
        loss = cross_entropy(net(x), y)
        optim.zero_grad()
        loss.backward()
        optim.step()
        found.append(loss.item())
    net.eval()
    return found + [cross_entropy(net(x), y).item()]


def trajectory(name, net, side, n=6, lr=0.02):
    untrained = {k: v.clone() for k, v in net.state_dict().items()}
    found = losses(net, torch.float64, side, n, lr)
    net.load_state_dict(untrained)
    single = losses(net, torch.float32, side, n, lr)
    apart = max(abs(a - b) for a, b in zip(found, single))
    print(f"    // {name}; float32 is {apart:.0e} away.")
    print("    [")
    for v in found:
        print(f"        {v:.12f},")
    print("    ],")
    assert apart < 1e-5, name


trajectory("Fully connected", mlp(3 * 8 * 8, [130, 33], 3), 8, n=17)
trajectory("Two layers", cnn([(3, 17, 5, 1, 0, 2)], 17 * 6 * 6, 9, 3), 16, n=9, lr=0.005)
trajectory("Four layers", cnn([(3, 18, 3, 2, 1, 1), (18, 18, 3, 1, 1, 2), (18, 18, 3, 1, 1, 1)], 18 * 4 * 4, 9, 3), 16, n=9, lr=0.005)
trajectory("VGG", vgg(1 / 16, False, 3), 32, lr=0.005)
trajectory("VGG with batch norm", vgg(1 / 16, True, 3), 32, lr=0.001)
trajectory("Residual net", ResNet(False, 1 / 16, 3), 12)
trajectory("Residual net, ImageNet's first layers", ResNet(True, 1 / 16, 3), 48, lr=0.01)
trajectory("Wide residual net, 3x3 first", Wrn(1, 4, 3, 3), 8)
trajectory("Wide residual net, 5x5 first", Wrn(1, 1, 5, 3), 8)
