"""One run on several processes (*ranks*), as `torchrun` starts them; in one alone all here is idle.

Every process draws the batch of a step from (seed, step), works on its own rows of it, and what was
a mean or a sum over the batch is put together over all: the result is that of one process with the
whole batch, up to the order in which numbers are added. So a run may be stopped on two processes
and go on upon one or four. The first process alone reads what a run left, and writes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

WORDS = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")  # torchrun sets them
PATIENCE = timedelta(minutes=10)  # for one that is neither gone nor answers
ERRORS = {e.__name__: e for e in (ValueError, TypeError, OSError, FloatingPointError, RuntimeError)}


def size() -> int:
    """Number of processes at this run: 1, but inside `together` or a group of the caller's."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Which of them this one is, from 0; the first one writes."""
    return dist.get_rank() if size() > 1 else 0


def launched() -> int:
    """Number of processes that were started for one run, whether they have met or not."""
    return max(size(), int(os.environ["WORLD_SIZE"]) if all(w in os.environ for w in WORDS) else 1)


def check_share(**batches: int) -> None:
    """Raise ValueError unless every batch can be shared evenly among the processes."""
    for name, batch in batches.items():
        if batch % launched():
            raise ValueError(
                f"recipe {name}: expected a multiple of the {launched()} processes, found {batch}"
            )


@contextmanager
def together(device: torch.device) -> Iterator[None]:
    """Meet the other processes of this launch, work as one while the block runs, and part.

    Raises ValueError for a device that several processes cannot share, RuntimeError if they do not
    meet; in the block RuntimeError when one of them is gone.
    """
    if launched() == size():
        yield
        return
    if device.type not in ("cpu", "cuda"):
        raise ValueError(f"several processes train on cpu or cuda, found {device.type}")
    on_card = device.type == "cuda"
    if on_card:
        torch.cuda.set_device(device)
    backend = "cpu:gloo,cuda:nccl" if on_card else "gloo"
    _asked(dist.init_process_group, backend, timeout=PATIENCE)
    try:
        yield
    finally:
        dist.destroy_process_group()


def rows(batch: int) -> slice:
    """The rows of a batch that this process works on."""
    return slice(rank() * batch // size(), (rank() + 1) * batch // size())


def ahead(generator: torch.Generator, batch: int, each: int) -> torch.Generator:
    """The generator, moved on to where `torch.rand` draws the numbers of this process's rows.

    each: numbers per row of the batch.
    """
    torch.rand(rows(batch).start * each, generator=generator)
    return generator


def total(tensor: Tensor) -> Tensor:
    """The sum of a tensor over all processes."""
    if size() == 1:
        return tensor
    tensor = tensor.detach().clone(memory_format=torch.contiguous_format)
    _asked(dist.all_reduce, tensor)
    return tensor


def mean(*values: Tensor) -> Sequence[Tensor]:
    """The mean of each number () over all processes, whose shares are of one size."""
    if size() == 1:
        return values
    return (total(torch.stack([v.detach().float() for v in values])) / size()).unbind()


def average(parameters: Iterable[torch.nn.Parameter]) -> None:
    """Replace gradients by their means over all processes, in one message."""
    if size() == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = total(torch.cat([g.flatten() for g in gradients])) / size()
    for g, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        g.copy_(part.view(g.shape))


def joined(tensor: Tensor, dim: int = 0) -> Tensor:
    """The parts of all processes, in their order; their lengths along `dim` may differ."""
    if size() == 1:
        return tensor
    lengths = torch.zeros(size(), dtype=torch.int64)
    lengths[rank()] = tensor.shape[dim]
    ends = total(lengths).cumsum(0).tolist()
    shape = list(tensor.shape)
    shape[dim] = ends[-1]
    whole = tensor.new_zeros(shape)
    whole.narrow(dim, ends[rank()] - tensor.shape[dim], tensor.shape[dim]).copy_(tensor)
    return total(whole)


def any_of(flag: bool) -> bool:
    """Whether it is true in any process."""
    return bool(total(torch.tensor(int(flag))))


def same(tensors: Iterable[Tensor]) -> None:
    """Replace tensors by those of the first process, which have the same shapes and types."""
    if size() == 1:
        return
    each = [t.detach() for t in tensors]
    if not each:
        return
    flat = torch.cat([t.contiguous().view(-1).view(torch.uint8) for t in each])
    _asked(dist.broadcast, flat, 0)
    for t, part in zip(each, flat.split([t.nbytes for t in each]), strict=True):
        t.copy_(part.clone().view(t.dtype).view(t.shape))


def first(call: Callable[[], Any]) -> Any:
    """What the first process gets from a call, in all of them, as JSON has it; so do its errors."""
    if size() == 1:
        return call()
    told, error = b"", None
    if rank() == 0:
        try:
            told = json.dumps({"result": call()}).encode()
        except Exception as e:
            error = e
            kind = next((t.__name__ for t in type(e).__mro__ if t.__name__ in ERRORS), "")
            told = json.dumps({"kind": kind, "error": str(e)}).encode()
    length = torch.tensor(len(told))
    same([length])
    data = torch.tensor(list(told) or [0] * int(length), dtype=torch.uint8)
    same([data])
    if error is not None:
        raise error
    found = json.loads(bytes(data.tolist()))
    if "error" in found:
        raise ERRORS.get(found["kind"], RuntimeError)(found["error"])
    return found["result"]


def first_to_say(text: str) -> bool:
    """Whether no other process of this launch has asked so of the same text: it is said once.

    The launcher keeps the words; where it keeps none (it is not torchrun), each says them.
    """
    if launched() == 1 or os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return True
    word = f"{os.environ.get('TORCHELASTIC_RESTART_COUNT')} {text}".encode()
    try:
        store = dist.TCPStore(
            os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), is_master=False,
            timeout=timedelta(seconds=20),
        )  # fmt: skip
        return store.add(hashlib.sha256(word).hexdigest(), 1) == 1
    except RuntimeError:  # better twice than never
        return True


def _asked(call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """A call that all processes make; RuntimeError in one line if not all of them do."""
    try:
        return call(*arguments, **options)
    except RuntimeError as error:
        why = re.sub(r"^\[\S*\] *", "", str(error).strip()).partition(". ")[0].splitlines()[:1]
        raise RuntimeError(
            f"of the {launched()} processes of this run one is gone or does not answer "
            f"({''.join(why):.120}); the same command goes on from what is saved"
        ) from None
