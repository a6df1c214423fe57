"""The processes that train together: how many there are, which one this is, what it runs on."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list

from components.retrieval.precision import check_devices, device
from components.store.errors import TouchstoneError
from components.training import zero
from components.training.job import Job

T = TypeVar("T")


@dataclass(frozen=True)
class World:
    """This process among the others.

    Attributes:
        device: `cpu` or `cuda:N`.
        size: Processes in all.
        rank: This one's number.
        local_rank: Its number on this machine.
        local_size: Processes on this machine.
    """

    device: str
    size: int
    rank: int
    local_rank: int
    local_size: int

    @classmethod
    def join(cls, job: Job) -> World:
        """Meet the others; each must see the GPUs that were asked for.

        Raises:
            TouchstoneError: WRONG_DEVICES, WORLD_SIZE, NO_DEEPSPEED or NOTHING_TO_SHARD.
        """
        check_devices(job.gpus)
        where, limit = device(), timedelta(minutes=job.config.patience_minutes)
        size = int(os.environ.get("WORLD_SIZE", "1"))
        if size != job.processes:
            raise TouchstoneError(
                "WORLD_SIZE",
                "training would run on the wrong number",
                found=f"{size} processes",
                expected=f"{job.processes}",
            )
        zero.require(job.config, size)
        zero.prepare(job.config, where)
        PartialState(cpu=where == "cpu", **({"timeout": limit} if size > 1 else {}))
        known = {name: int(os.environ.get(name, default)) for name, default in _GIVEN.items()}
        return cls(where, size, known["RANK"], known["LOCAL_RANK"], known["LOCAL_WORLD_SIZE"])

    @property
    def main(self) -> bool:
        """Whether this process tells, measures and writes."""
        return self.rank == 0

    def once(self, work: Callable[[], T]) -> T:
        """What `work` finds in the first process; the others wait for it."""
        found = [work() if self.main else None]
        if self.size > 1:
            broadcast_object_list(found)
        return found[0]  # type: ignore[return-value]

    def machine(self, work: Callable[[], None]) -> None:
        """Do it in one process of every machine; everyone waits."""
        if self.local_rank == 0:
            work()
        self.wait()

    def wait(self) -> None:
        """Until all are here."""
        PartialState().wait_for_everyone()

    def leave(self) -> None:
        """Part together: a process that ends while another still writes may die of it, and end them all."""
        self.wait()
        PartialState().destroy_process_group()

    def any(self, flag: bool) -> bool:
        """Whether any process says so."""
        if self.size == 1:
            return flag
        told = torch.tensor(float(flag), device=self.device)
        torch.distributed.all_reduce(told, op=torch.distributed.ReduceOp.MAX)
        return bool(told.item())


_GIVEN = {"RANK": "0", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"}
"""What a launcher sets, and what holds without one."""
