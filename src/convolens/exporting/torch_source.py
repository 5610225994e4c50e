"""The source text of the PyTorch model that an exported state dictionary belongs to."""

from __future__ import annotations

from typing import Any

from convolens.saving.weights import need_built

from .torch_modules import Module, modules_of

__all__ = ["torch_sequential"]


def torch_sequential(model: Any) -> str:
    """Return the Python source of the ``nn.Sequential`` that predicts the same from images ``(n, c, h, w)``.

    With ``torch_state_dict(model, "weights.safetensors")`` beside it, this is the whole way to PyTorch::

        exec(source)  # or paste it
        model.load_state_dict(safetensors.torch.load_file("weights.safetensors"))
        y = model.eval()(torch.from_numpy(x).permute(0, 3, 1, 2))

    Layers of augmentation become ``nn.Identity()``.

    Args:
        model: a chain of layers: ``Sequential``, or a ``Model`` without branches; models within it too.

    Raises:
        ValueError: if it branches, or naming the layer that ``torch.nn`` has no module for.

    >>> import convolens as cl
    >>> print(torch_sequential(cl.zoo.lenet5()))
    from collections import OrderedDict
    <BLANKLINE>
    from torch import nn
    <BLANKLINE>
    model = nn.Sequential(
        OrderedDict(
            conv2d=nn.Conv2d(1, 6, (5, 5), padding=(2, 2)),
            conv2d_activation=nn.ReLU(),
            max_pooling2d=nn.MaxPool2d((2, 2), (2, 2), (0, 0)),
            conv2d_1=nn.Conv2d(6, 16, (5, 5)),
            conv2d_1_activation=nn.ReLU(),
            max_pooling2d_1=nn.MaxPool2d((2, 2), (2, 2), (0, 0)),
            flatten=nn.Flatten(),
            dense=nn.Linear(400, 120),
            dense_activation=nn.ReLU(),
            dense_1=nn.Linear(120, 84),
            dense_1_activation=nn.ReLU(),
            dense_2=nn.Linear(84, 10),
            dense_2_activation=nn.Softmax(dim=1),
        )
    )
    """
    need_built(model)
    _refuse_branches(model)
    tree: dict[str, Any] = {}
    for module in modules_of(model):
        if module.source is None:
            raise ValueError(f"layer {module.name!r} cannot be expressed in PyTorch: torch.nn has no such module.")
        *outer, name = module.name.split(".")
        inside = tree
        for part in outer:
            inside = inside.setdefault(part, {})
        inside[name] = module
    return f"from collections import OrderedDict\n\nfrom torch import nn\n\nmodel = {_sequential(tree, 0)}"


def _refuse_branches(model: Any) -> None:
    ends = list(model.inputs)
    for node in model.graph.nodes:
        if list(node.inputs) != ends or len(node.outputs) != 1:
            raise ValueError(f"model {model.name!r} is no chain of layers: it branches at {node.layer.name!r}.")
        if len([other for other in model.graph.nodes if other.layer is node.layer]) > 1:
            raise ValueError(f"model {model.name!r} calls layer {node.layer.name!r} twice, which a chain cannot.")
        ends = list(node.outputs)
        if hasattr(node.layer, "graph"):
            _refuse_branches(node.layer)
    if list(model.outputs) != ends:
        raise ValueError(f"model {model.name!r} is no chain of layers: it has other outputs than the last layer's.")


def _sequential(tree: dict[str, Any], depth: int) -> str:
    indent = "    " * depth
    named = all(name.isidentifier() for name in tree)
    lines = []
    for name, part in tree.items():
        source = part.source if isinstance(part, Module) else _sequential(part, depth + 2)
        lines.append(f"{indent}        {f'{name}={source}' if named else f'({name!r}, {source})'},\n")
    opening, closing = ("OrderedDict(", ")") if named else ("OrderedDict([", "])")
    return f"nn.Sequential(\n{indent}    {opening}\n{''.join(lines)}{indent}    {closing}\n{indent})"
