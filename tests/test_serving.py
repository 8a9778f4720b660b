"""What is known of a server before it starts, and what its keeper reads in its log; the server itself is in tests/servers."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siwork.cli.main import _apart, main
from siwork.schema import KnobError, MissingExtra
from siwork.serving import Serving
from siwork.serving.command import ASKED, RANKS, Installed, checked, command, environment, installed, room_for
from siwork.serving.keeper import healthy, reason
from siwork.serving.server import free_port


@pytest.fixture
def model(tmp_path):
    """A folder that looks like a model."""
    folder = tmp_path / "base"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"")
    return str(folder)


CPU, GPU = Installed("/usr/bin/python3", "/nowhere", True), Installed("/usr/bin/python3", "/nowhere", False)


def test_the_command_binds_loopback_and_puts_our_words_last(model):
    words = command(CPU, model, 8123, lora=4, context=512, more=["--dtype=bfloat16"])
    assert words[-2:] == ["--host=127.0.0.1", "--port=8123"]
    assert words.index("--dtype=float32") < words.index("--dtype=bfloat16")  # vLLM takes the last
    assert {"--max-lora-rank=8", "--max-model-len=512", f"--served-model-name={model}"} <= set(words)
    assert "--generation-config=vllm" in words  # a model's own top_k would bend what is sampled


def test_a_gpu_keeps_its_precision_and_graphs(model):
    assert not {"--dtype=float32", "--enforce-eager"} & set(command(GPU, model, 8123))
    assert "--enable-lora" not in command(GPU, model, 8123)


def test_the_module_is_the_one_that_the_version_has(tmp_path):
    assert Installed("python", str(tmp_path), True).module == ("-m", "vllm.entrypoints.cli.main", "serve")
    (tmp_path / "entrypoints/openai").mkdir(parents=True)
    (tmp_path / "entrypoints/openai/api_server.py").touch()
    assert Installed("python", str(tmp_path), True).module == ("-m", "vllm.entrypoints.openai.api_server")


def test_a_relative_folder_is_served_by_the_name_that_was_given(model, monkeypatch):
    monkeypatch.chdir(Path(model).parent)
    words = command(CPU, "base", 8123)
    assert model in words
    assert "--served-model-name=base" in words


def test_the_environment_sends_nothing_home_and_knows_no_other_packages(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    found = environment("/other/python", lora=4, cpu=True)
    assert "PYTHONPATH" not in found
    assert environment(sys.executable)["PYTHONPATH"] == "/elsewhere"
    assert {found[name] for name in ("VLLM_NO_USAGE_STATS", "DO_NOT_TRACK", "VLLM_SERVER_DEV_MODE")} == {"1"}
    assert found["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] == "1"
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "7")
    assert environment("/other/python", cpu=True)["VLLM_CPU_KVCACHE_SPACE"] == "7"


@given(st.integers(1, 512))
def test_the_room_holds_the_rank_and_none_smaller_does(rank):
    assert room_for(rank) in RANKS
    assert rank <= room_for(rank)
    assert all(room < rank for room in RANKS if room < room_for(rank))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"port": 70_000}, "port must be a whole number from 0 to 65535, got 70000"),
        ({"lora": 513}, "lora must be a whole number from 0 to 512, got 513"),
        ({"lora": True}, "got True"),
        ({"context": 1}, "context must be a whole number of tokens, at least 2, got 1"),
        ({"more": ["--host=0.0.0.0"]}, "--host is set by siwork .it serves 127.0.0.1 only"),
        ({"more": ["--served_model_name", "x"]}, "--served_model_name is set by siwork"),
    ],
)
def test_what_cannot_work_is_one_sentence(model, change, told):
    usual = {"port": 0, "lora": 0, "context": None, "more": ()}
    with pytest.raises(KnobError, match=told):
        checked(model, **usual | change)


def test_a_model_that_is_not_there_is_one_sentence(model, tmp_path):
    with pytest.raises(KnobError, match=r"there is no folder '\./nowhere'; name that of a model"):
        Serving("./nowhere")
    with pytest.raises(KnobError, match=r"holds no model: a config\.json that can be read is expected"):
        Serving(tmp_path)
    (Path(model) / "config.json").write_text("{broken")
    with pytest.raises(KnobError, match="holds no model"):
        Serving(model)
    (Path(model) / "config.json").write_text("{}")
    (Path(model) / "model.safetensors").rename(Path(model) / "model.bin")
    with pytest.raises(
        KnobError, match=r"holds no weights: a \.safetensors file is expected; pickled ones are never opened"
    ):
        Serving(model)
    checked("owner/model-1.5B", 0, 0, None, ())  # a hub id; whether it is there only vLLM can know


def test_a_python_without_vllm_is_named_with_the_way_out(model, monkeypatch, tmp_path):
    monkeypatch.delenv(ASKED, raising=False)
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare], check=True)
    with pytest.raises(MissingExtra, match=r"bare/bin/python has none; install it with: pip install 'siwork\[vllm\]'"):
        Serving(model, python=bare / "bin/python")
    monkeypatch.setenv(ASKED, str(tmp_path / "nothing"))
    with pytest.raises(KnobError, match=f"there is no Python '{tmp_path}/nothing' .* or {ASKED}"):
        installed()
    with pytest.raises(KnobError, match="is no Python that answers"):
        installed("/bin/cat")


def test_a_port_in_use_is_refused_and_a_free_one_found():
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert not healthy(free_port())
        with pytest.raises(KnobError, match=f"port {port} is in use; name another one, or 0 for a free one"):
            free_port(port)
    assert free_port(port) == port


LOG = """\
(APIServer pid=1) INFO 11-22 00:25:00 [api_utils.py:286] non-default args: {'host': '127.0.0.1'}
(EngineCore pid=2) ERROR 11-22 00:25:09 [core.py:900] Traceback (most recent call last):
(EngineCore pid=2) ERROR 11-22 00:25:09 [core.py:900] ValueError: No available memory for the cache blocks.
(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above.
"""


def test_the_reason_is_the_line_that_says_most(tmp_path):
    log = tmp_path / "log"
    log.write_text(LOG)
    assert reason(log) == "ValueError: No available memory for the cache blocks."
    log.write_text(LOG + "OSError: of the second start\n")
    assert reason(log, len(LOG)) == "OSError: of the second start"
    log.write_text(
        "(APIServer pid=1) pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig\n"
        "(APIServer pid=1)   Value error, User-specified max_model_len (9) is too large.\n"
    )
    assert reason(log).endswith("for ModelConfig Value error, User-specified max_model_len (9) is too large.")
    log.write_bytes(b"\xff no error is named\n\n")
    assert reason(log) == "\ufffd no error is named"
    log.write_text("")
    assert reason(log) == ""


@given(st.binary(max_size=300))
def test_any_log_gives_one_line(tmp_path_factory, words):
    log = tmp_path_factory.getbasetemp() / "any.log"
    log.write_bytes(words)
    assert len(reason(log).splitlines()) <= 1


@given(st.lists(st.sampled_from(["serve", "run", "--debug", "--", "x", "--port"]), max_size=6))
def test_only_serve_has_a_command_beside_it(words):
    own, beside = _apart(words)
    apart = [*own, *(["--"] if len(own) < len(words) else []), *beside]
    assert apart == words
    if beside:
        assert next(word for word in own if not word.startswith("-")) == "serve"
        assert "--" not in own


def test_the_command_line_refuses_in_one_sentence(model, capsys):
    assert main(["serve", model, "--", "no-such-command"]) == 2
    assert capsys.readouterr().err == (
        "siwork: there is no command 'no-such-command'; behind -- stands what is run while the model is served\n"
    )
    assert main(["serve", "./nowhere"]) == 2
    assert capsys.readouterr().err.startswith("siwork: there is no folder './nowhere'")
    assert main(["serve", model, "--vllm=--port=1"]) == 2
    assert capsys.readouterr().err.startswith("siwork: --port is set by siwork")


def test_its_help_shows_examples(capsys):
    with pytest.raises(SystemExit):
        main(["serve", "--help"])
    said = capsys.readouterr().out
    assert "siwork serve models/base -- " in said
    assert "siwork serve MODEL [options] [-- COMMAND …]" in said


def test_no_torch_is_loaded():
    code = "import sys, siwork.serving; print('torch' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"
