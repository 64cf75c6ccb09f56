"""Loading: one function for every place a model can come from, every precision, and every way to lay it out."""

from __future__ import annotations

import json
import re
import shutil
import threading

import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText

from fastv import METHODS
from fastv.costs.memory import parameter_bytes
from fastv.errors import ModelLoadError
from fastv.families.catalogue import find
from fastv.families.config_reader import read_shape
from fastv.loading import load as loading
from fastv.loading.load import load
from fastv.loading.machine_memory import RAM, Gpu, MachineMemory
from fastv.loading.memory_fit import LoadPlan, Placement, plan_load
from fastv.loading.packages import check_packages
from fastv.loading.precision import from_pretrained_arguments, held_bytes, input_device, own_dtype
from fastv.measurement.memory import weight_bytes
from fastv.worker import Stopped
from tests.support.standins import QUESTION_WORDS, VISUAL_TOKENS, llava_inputs, save_llava_checkpoint, tiny_llava

GB = 10**9


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "standin"
    save_llava_checkpoint(folder, width=64, ffn_width=128)
    return folder


def test_a_folder_becomes_a_model_that_answers(checkpoint):
    loaded = load(str(checkpoint))
    assert (loaded.entry.name, loaded.dtype, loaded.device.type) == ("standin", "float32", "cpu")
    assert loaded.model.dtype == torch.float32 and not loaded.model.training
    assert loaded.model.config._attn_implementation == "sdpa"
    prompt = loaded.family.prompt(loaded.processor, "what is in the picture ?")
    inputs = loaded.processor(images=Image.new("RGB", (70, 90)), text=prompt, return_tensors="pt")
    assert loaded.family.visual_mask(loaded.model, inputs["input_ids"]).sum() == VISUAL_TOKENS
    assert all(word in loaded.processor.tokenizer.get_vocab() for word in QUESTION_WORDS)
    assert loaded.model.generate(**inputs, max_new_tokens=2).shape[0] == 1


def test_a_path_and_torchs_device_do_as_well(checkpoint):
    loaded = load(checkpoint, device=torch.device("cpu"))
    assert loaded.entry.name == "standin" and loaded.device == torch.device("cpu")


@pytest.mark.parametrize("dtype, other", [("4bit", "8bit"), ("8bit", "float32")])
def test_weights_that_are_quantized_already_are_called_so_and_not_made_something_else(
    checkpoint, tmp_path, dtype, other
):
    ready = shutil.copytree(checkpoint, tmp_path / "ready")
    first = load(checkpoint, dtype=dtype)
    for path in ready.glob("*.safetensors*"):
        path.unlink()
    first.model.save_pretrained(ready)
    for asked in ("auto", dtype):
        again = load(ready, dtype=asked)
        assert again.dtype == dtype and weight_bytes(again.model) == pytest.approx(weight_bytes(first.model), rel=0.02)
        inputs = llava_inputs()
        with torch.inference_mode():
            torch.testing.assert_close(again.model(**inputs).logits, first.model(**inputs).logits)
    with pytest.raises(ModelLoadError, match=f"in {dtype} already"):
        load(ready, dtype=other)


def test_weights_quantized_in_another_way_are_refused(checkpoint, tmp_path):
    ready = shutil.copytree(checkpoint, tmp_path / "ready")
    config = json.loads((ready / "config.json").read_text())
    (ready / "config.json").write_text(json.dumps(config | {"quantization_config": {"quant_method": "awq", "bits": 4}}))
    with pytest.raises(ModelLoadError, match="“awq”, which is not supported"):
        load(ready)


def test_a_checkpoint_without_a_chat_template_is_asked_as_llava_is(checkpoint, tmp_path):
    bare = shutil.copytree(checkpoint, tmp_path / "bare")
    (bare / "chat_template.jinja").unlink()
    loaded = load(bare)
    assert loaded.family.prompt(loaded.processor, "how many ?") == "USER: <image>\nhow many ? ASSISTANT:"


@pytest.mark.parametrize(
    "template, piece",
    [
        ("{% for turn in messages %}{{ turn['role'] }}{% endfor %}", "no image placeholder"),
        ("{{ raise_exception('no pictures please') }}", "cannot be used (no pictures please)"),
    ],
)
def test_a_chat_template_that_takes_no_picture_is_found_before_a_question_is(checkpoint, tmp_path, template, piece):
    blind = shutil.copytree(checkpoint, tmp_path / "blind")
    (blind / "chat_template.jinja").write_text(template)
    with pytest.raises(ModelLoadError, match=re.escape(piece)):
        load(blind)


def test_loading_yields_the_weights_that_were_saved(checkpoint):
    saved = AutoModelForImageTextToText.from_pretrained(checkpoint, dtype=torch.float32).state_dict()
    for name, weight in load(str(checkpoint)).model.state_dict().items():
        assert torch.equal(weight, saved[name])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_a_dtype_holds_for_all_weights(checkpoint, dtype):
    loaded = load(str(checkpoint), dtype=dtype, device="cpu")
    assert loaded.dtype == dtype
    assert {weight.dtype for weight in loaded.model.parameters()} == {getattr(torch, dtype)}


def test_auto_is_float32_on_a_cpu_and_half_of_it_where_that_is_too_much(checkpoint, monkeypatch):
    needed = 5_000_000  # a little more than the stand-in takes in float32 with its cache
    for free, dtype in ((needed, "float32"), (needed // 3, "bfloat16")):
        monkeypatch.setattr(MachineMemory, "here", classmethod(lambda cls, free=free: cls(10 * GB, free)))
        assert load(str(checkpoint)).dtype == dtype


@pytest.mark.parametrize("dtype, kind", [("8bit", "Linear8bitLt"), ("4bit", "Linear4bit")])
def test_quantization_spares_pictures_and_the_last_layer(checkpoint, dtype, kind):
    model = load(str(checkpoint), dtype=dtype, device="cpu").model
    kinds = linear_kinds(model)
    decoder = {name for name in kinds if name.startswith("model.language_model.layers")}
    assert len(decoder) == 4 * 7 and {kinds[name] for name in decoder} == {kind}
    assert {kinds[name] for name in kinds.keys() - decoder} == {"Linear"}
    weights = weight_bytes(model) - sum(buffer.nbytes for buffer in model.buffers())
    assert weights == pytest.approx(parameter_bytes(read_shape(model.config), dtype), rel=0.04)
    assert held_bytes(model)[RAM] == pytest.approx(weights, rel=0.3)  # without the scales
    ids = torch.tensor([[1, 4, 5]])
    assert model.generate(input_ids=ids, max_new_tokens=2, min_new_tokens=2).shape == (1, 5)


def test_4bit_takes_sizes_that_the_fast_kernel_for_cpus_does_not(tmp_path):
    save_llava_checkpoint(tmp_path / "odd", width=40, ffn_width=72)
    loaded = load(str(tmp_path / "odd"), "4bit", "cpu")
    assert "Linear4bit" in linear_kinds(loaded.model).values()
    assert loaded.model.generate(**llava_inputs(dtype=loaded.model.dtype), max_new_tokens=2).shape[0] == 1


def test_a_bfloat16_checkpoint_in_8bit_stays_bfloat16_and_does_not_say_so_all_the_time(tmp_path, caplog):
    save_llava_checkpoint(tmp_path / "brain", width=64, ffn_width=128, dtype=torch.bfloat16)
    loaded = load(str(tmp_path / "brain"), "8bit", "cpu")
    loaded.model.generate(**llava_inputs(dtype=torch.bfloat16), max_new_tokens=2)
    assert loaded.model.dtype == torch.bfloat16 and "will be cast" not in caplog.text


def linear_kinds(model) -> dict[str, str]:
    return {
        name: type(module).__name__ for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)
    }


@pytest.mark.parametrize(
    "stated, own",
    [(torch.bfloat16, "bfloat16"), (torch.float16, "float16"), (torch.float32, "float16"), (None, "float16")],
)
def test_the_16_bit_type_is_the_checkpoints_own(stated, own):
    config = tiny_llava().config
    config.dtype = stated
    assert own_dtype(config) == own


# Several devices

TWO = MachineMemory(64 * GB, 60 * GB, (Gpu("a", 16 * GB, 15 * GB), Gpu("b", 16 * GB, 15 * GB)))


def test_where_weights_go_is_what_transformers_is_told():
    assert from_pretrained_arguments("float32", Placement(), TWO, "float16", ["lm_head"]) == {"dtype": torch.float32}
    assert from_pretrained_arguments("float16", Placement((1,)), TWO, "float16", ["lm_head"])["device_map"] == {
        "": torch.device("cuda", 1)
    }
    spread = from_pretrained_arguments("float16", Placement((0, 1)), TWO, "float16", ["lm_head"])
    assert spread["device_map"] == "auto" and spread["max_memory"] == {0: 14 * GB, 1: 14 * GB, "cpu": 0}
    offloaded = from_pretrained_arguments("bfloat16", Placement((0, 1), offload=True), TWO, "float16", ["lm_head"])
    assert offloaded["max_memory"]["cpu"] == 60 * GB
    quantized = from_pretrained_arguments("4bit", Placement((0, 1)), TWO, "bfloat16", ["lm_head"])
    assert quantized["device_map"] == "auto"
    assert quantized["quantization_config"].bnb_4bit_compute_dtype is quantized["dtype"] is torch.bfloat16


@pytest.mark.parametrize(
    "dtype, device, where",
    [
        ("float16", "auto", Placement((0, 1))),
        ("4bit", "auto", Placement((0,))),
        ("4bit", "cuda:1", Placement((1,))),
        ("float16", "cpu", Placement()),
    ],
)
def test_a_model_is_laid_where_it_fits(dtype, device, where):
    assert plan_load(find("llava-1.5-13b"), dtype, TWO, device=device).placement == where


def test_a_device_that_was_asked_for_is_not_left():
    for device, told in (
        ("cuda", "needs 27.6 GB of memory and 15.0 GB are free: choose the dtype 4bit"),
        ("cuda:1", "15.0 GB are free"),
        ("cpu", None),
    ):
        if told is None:
            assert plan_load(find("llava-1.5-13b"), "float32", TWO, device=device).placement == Placement()
        else:
            with pytest.raises(ModelLoadError, match=told):
                plan_load(find("llava-1.5-13b"), "float16", TWO, device=device)


def test_spreading_needs_accelerate(monkeypatch):
    monkeypatch.setattr("fastv.loading.packages.find_spec", lambda package: None)
    with pytest.raises(ModelLoadError, match="spreading it needs the package accelerate: install it, or choose the"):
        check_packages("LLaVA-1.5 13B", LoadPlan("float16", Placement((0, 1))))


def test_what_is_not_known_beforehand_is_tried():
    unknown = find("owner/something")
    assert plan_load(unknown, "float16", TWO).placement == Placement((0,))
    assert plan_load(unknown, "float16", MachineMemory(GB, GB)).placement == Placement()


@pytest.fixture(params=["some layers on disk", "all in RAM until used"])
def dispatched(request, checkpoint, tmp_path, monkeypatch):
    """The stand-in as accelerate lays it out when the devices at hand are too small for it."""
    if request.param == "some layers on disk":
        monkeypatch.setattr(
            loading,
            "from_pretrained_arguments",
            lambda *args: {
                "dtype": torch.float32,
                "device_map": "auto",
                "max_memory": {"cpu": 500_000},
                "offload_folder": tmp_path,
            },
        )
        loaded = load(str(checkpoint), "float32")
        assert set(loaded.model.hf_device_map.values()) == {"cpu", "disk"}
        return loaded
    from accelerate import cpu_offload

    loaded = load(str(checkpoint), "float32")
    cpu_offload(loaded.model, execution_device=torch.device("cpu"))
    return loaded


@pytest.mark.parametrize("method", ["fastv", "fastv_mean", "random"])
def test_fastv_prunes_a_dispatched_model_as_it_does_any_other(dispatched, checkpoint, method):
    whole = load(str(checkpoint), "float32").model
    assert any(weight.device.type == "meta" for weight in dispatched.model.parameters())
    assert input_device(dispatched.model) == torch.device("cpu")
    inputs = llava_inputs([(5, 0, 7), (0, 3)])
    seen = []
    for model in (whole, dispatched.model):
        with METHODS[method](k=2, r=0.5)(model) as trace:
            output = model.generate(**inputs, max_new_tokens=4, min_new_tokens=4, do_sample=False)
        seen.append((output, trace.kept))
    assert torch.equal(seen[0][0], seen[1][0]) and torch.equal(seen[0][1], seen[1][1])


def test_two_loads_at_once_take_turns(checkpoint):
    inside = []

    def watch(progress):
        inside.append(threading.get_ident())

    threads = [threading.Thread(target=load, args=(str(checkpoint),), kwargs={"report": watch}) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    changes = sum(one != other for one, other in zip(inside, inside[1:]))
    assert len(set(inside)) == 2 and changes == 1


def test_waiting_for_another_load_can_be_stopped(checkpoint):
    with loading._ONE_AT_A_TIME, pytest.raises(Stopped, match="was stopped"):
        load(str(checkpoint), stopped=lambda: True)
