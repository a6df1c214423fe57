"""Number formats by hardware."""

from pathlib import Path

import pytest
import torch

from components.retrieval import precision as module
from components.retrieval.precision import autocast, precision


def test_this_processor_gets_what_it_computes_fast():
    words = set(Path("/proc/cpuinfo").read_text().split())
    assert precision("cpu") == ("bf16" if words & {"avx512_bf16", "amx_bf16"} else "fp32")


@pytest.mark.parametrize(
    ("flags", "expected"), [({"avx512_bf16"}, "bf16"), ({"amx_bf16", "avx2"}, "bf16"), ({"avx2", "f16c"}, "fp32")]
)
def test_a_processor_never_gets_fp16(monkeypatch, flags, expected):
    monkeypatch.setattr(module, "_cpu_flags", lambda: flags)
    assert precision("cpu") == expected


@pytest.mark.parametrize(("capability", "expected"), [((7, 5), "fp16"), ((8, 0), "bf16"), ((9, 0), "bf16")])
def test_a_gpu_gets_bf16_from_sm80_on(monkeypatch, capability, expected):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    assert precision("cuda:0") == expected


@pytest.mark.parametrize(("name", "expected"), [("bf16", torch.bfloat16), ("fp32", torch.float32)])
def test_a_forward_pass_runs_in_that_format(name, expected):
    layer = torch.nn.Linear(2, 2)
    with autocast("cpu", name):
        assert layer(torch.ones(1, 2)).dtype == expected
