"""From an ordinary module and loss to the graph of ATen operations of one network: traced once, replayed often."""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx, nn
from torch._decomp import decomposition_table
from torch._guards import TracingContext, tracing
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call, functionalize, grad_and_value
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._python_dispatch import TorchDispatchMode

from expzoo.engine.layers.functions import CrowdFunctions
from expzoo.engine.layers.normalisation import without_statistics
from expzoo.engine.members.crowd import Unadoptable
from expzoo.engine.tape.failures import spread_failures
from expzoo.engine.tape.simplify import simplify
from expzoo.system.errors import first_line

if TYPE_CHECKING:
    from jaxtyping import Float, Shaped

aten = torch.ops.aten


# Operations that are written as simpler ones, which many members can share.
DECOMPOSED = {
    operation: decomposition_table[operation]
    for operation in (
        aten._log_softmax.default,
        aten._log_softmax_backward_data.default,
        aten._prelu_kernel.default,
        aten._prelu_kernel_backward.default,
        aten._softmax.default,
        aten._softmax_backward_data.default,
        aten.binary_cross_entropy.default,
        aten.binary_cross_entropy_backward.default,
        aten.dot.default,
        aten.glu.default,
        aten.glu_backward.default,
        aten.log_sigmoid_forward.default,
        aten.mv.default,
    )
}


# Operations in place, as recurrent layers have them, and what gives the same numbers anew.
ANEW = {
    aten.add_.Tensor: aten.add.Tensor,
    aten.mul_.Tensor: aten.mul.Tensor,
    aten.sigmoid_.default: aten.sigmoid.default,
    aten.tanh_.default: aten.tanh.default,
}


# What to write in place of what is refused, where it is not the usual.
INSTEAD = {
    "_ctc_loss": "another loss, such as cross_entropy",
    "linalg_lstsq": "torch.linalg.pinv or torch.linalg.solve",
    "rrelu_with_noise": "nn.LeakyReLU or nn.PReLU",
}


@dataclass(frozen=True)
class Objective:
    """The training loss of one network as a function of its parameters, a batch and its targets."""

    module: nn.Module
    loss: Callable[[Tensor, Tensor], Tensor]

    def __call__(
        self,
        parameters: dict[str, Float[Tensor, " ..."]],
        x: Shaped[Tensor, "batch ..."],
        y: Shaped[Tensor, "batch ..."],
    ) -> Float[Tensor, ""]:
        """The loss. `parameters` may hold buffers too; what it lacks is as in the module."""
        buffers = {name: value.clone() for name, value in self.module.named_buffers()}  # a forward may write there
        return self.loss(functional_call(self.module, buffers | parameters, (x,)), y)


def objective(module: nn.Module, loss: Callable[[Tensor, Tensor], Tensor]) -> Objective:
    """What a population of this module minimises. The module is copied; averages over batches are not kept."""
    return Objective(without_statistics(module), loss)


def trace(
    of: Objective,
    parameters: dict[str, Float[Tensor, "members ..."]],
    x: Shaped[Tensor, "members batch ..."],
    y: Shaped[Tensor, "members batch ..."],
) -> fx.GraphModule:
    """The graph of (gradients..., loss) of ONE network over placeholders (parameters..., x, y).

    The arguments are those of all members; the first member is the example. Raises Unadoptable,
    naming the operation, if the forward draws random numbers, keeps something in buffers, changes
    parameters, or does what depends on the values of tensors.
    """
    names = list(parameters)

    def flat(*tensors: Tensor) -> tuple[Tensor, ...]:
        gradients, loss = grad_and_value(of)(dict(zip(names, tensors, strict=False)), *tensors[len(names) :])
        return (*(gradients[name] for name in names), loss)

    inputs = [value[0] for value in (*parameters.values(), x, y)]
    try_once(of, x[0], y[0])
    try:
        # It notes the shape of each value as a fake tensor, of a mode that it would else make anew for each of them.
        with CrowdFunctions(), tracing(TracingContext(FakeTensorMode())):
            module = make_fx(flat, DECOMPOSED)(*inputs)
        _write_anew(module.graph)
        if any(_changes_its_arguments(node) for node in module.graph.nodes):
            module = make_fx(functionalize(module, remove="mutations"))(*inputs)
    except RuntimeError as error:
        raise _explained(error) from error
    _refuse_strangers(module)
    _drop_changes(module.graph, names)
    spread_failures(module.graph)
    simplify(module.graph)
    for node in module.graph.nodes:
        _refuse(node.target, node.args, node.kwargs)
    return module


class _Refusal(TorchDispatchMode):
    """Unadoptable at the first operation that a crowd cannot have."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        _refuse(func, args, kwargs or {})
        return result


def try_once(of: Objective, x: Shaped[Tensor, "batch ..."], y: Shaped[Tensor, "batch ..."]) -> None:
    """Run the forward and the loss once by themselves, so that what they raise is as their authors know it.

    What the forward keeps for its next run, it would keep for all members together.
    """
    probe = copy.deepcopy(of.module)
    before = {name: value.clone() for name, value in probe.named_buffers()}
    with torch.no_grad(), torch.random.fork_rng(devices=[]), _Refusal(), CrowdFunctions():
        of.loss(probe(x.clone()), y.clone())
    for name, value in probe.named_buffers():
        if name not in before or not torch.equal(value, before[name]):
            raise Unadoptable(
                f"the forward of {type(probe).__name__} changes its buffer {name}: a member is its parameters only; "
                "compute the value from the batch, or make it a parameter"
            )


def _explained(error: RuntimeError) -> Unadoptable:
    first = first_line(error)
    if "_local_scalar_dense" in first or "data-dependent" in first.lower():
        return Unadoptable(
            "the module reads the value of a tensor (an `if` on it, .item(), float()), which each member has its own "
            "of; use torch.where"
        )
    if "data pointer" in first or "numpy()" in first:
        return Unadoptable("the module hands a tensor to NumPy or another library; use torch's own operations")
    if "mutate a captured Tensor" in first:
        return Unadoptable(
            "the forward changes in place a tensor that it keeps, but a member is its parameters only: compute the "
            "value from the batch, or make it a parameter"
        )
    if "saved tensor hooks" in first:
        return Unadoptable(
            "the module uses torch.utils.checkpoint or other hooks on saved tensors; call its layers themselves"
        )
    if "setup_context" in first:
        return Unadoptable(
            "the module has a torch.autograd.Function whose forward takes ctx; write forward without it, and "
            "setup_context(ctx, inputs, output)"
        )
    return Unadoptable(f"the module cannot be traced: {first}")


def _refuse_strangers(module: fx.GraphModule) -> None:
    """Unadoptable if something is used as it is, without a gradient, that was made to be trained."""
    for node in module.graph.nodes:
        value = getattr(module, node.target, None) if node.op == "get_attr" else None
        if isinstance(value, Tensor) and value.requires_grad:
            raise Unadoptable(
                f"the forward uses a tensor of shape {tuple(value.shape)} that has a gradient, but is not reached as a "
                "parameter of the module: keep layers in nn.ModuleList and parameters in nn.ParameterList, not in "
                "lists of Python, and no second name or script of them"
            )


def _changes_its_arguments(node: fx.Node) -> bool:
    return isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable


def _write_anew(graph: fx.Graph) -> None:
    """What changes a value in place that nobody else sees makes a new one, so that no second trace is needed for it."""
    for node in list(graph.nodes):
        if node.target in ANEW and _is_seen_once(node.args[0]):
            node.target = ANEW[node.target]


def _is_seen_once(value: Any) -> bool:
    """Whether a value is made by an operation for one user alone, and shares memory with nothing."""
    if not isinstance(value, fx.Node) or len(value.users) > 1:
        return False
    maker = value.args[0] if value.target is operator.getitem else value  # one of several results
    if not isinstance(maker, fx.Node) or not isinstance(maker.target, torch._ops.OpOverload):
        return False
    return all(result.alias_info is None for result in maker.target._schema.returns)


def _drop_changes(graph: fx.Graph, names: Sequence[str]) -> None:
    """A batch that the forward changed is loaded anew in each step; parameters are the optimizer's to change."""
    inputs = [node for node in graph.nodes if node.op == "placeholder"]
    named = dict(zip(inputs, names, strict=False))
    for node in list(graph.nodes):
        if _changes_its_arguments(node):
            if name := named.get(node.args[0]):
                raise Unadoptable(f"the forward changes the parameter {name}; only the optimizer may")
            node.replace_all_uses_with(node.args[1])
            graph.erase_node(node)


def _refuse(target: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Unadoptable if the operation draws random numbers, or has a result of a shape that depends on values."""
    tags = getattr(target, "tags", ())
    name = getattr(target, "_opname", target)
    if torch.Tag.nondeterministic_seeded in tags and _argument("dropout_p", target, args, kwargs) != 0:
        raise Unadoptable(
            f"the module's forward calls {name}, which draws from torch's global generator; use "
            f"{INSTEAD.get(name, 'nn.Dropout, or draw in the constructor')}"
        )
    if torch.Tag.dynamic_output_shape in tags and not (target is aten.index.Tensor and _by_numbers(args[1])):
        instead = INSTEAD.get(name, "torch.where")
        raise Unadoptable(f"the result of {name} has a size of its own for each member; use {instead}")


def _by_numbers(indices: Sequence[Any]) -> bool:
    """Whether an index holds numbers, not a mask."""
    tensors = [index.meta["val"] if isinstance(index, fx.Node) else index for index in indices if index is not None]
    return all(tensor.dtype not in (torch.bool, torch.uint8) for tensor in tensors)


def _argument(name: str, target: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """The value of an argument that an operation may have; None if it has not."""
    for index, argument in enumerate(target._schema.arguments):
        if argument.name == name:
            return args[index] if index < len(args) else kwargs.get(name, argument.default_value)
    return None
