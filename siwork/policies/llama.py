"""A tiny policy as a Llama of transformers: the same logits, for other tools to sample and train."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from siwork.policies.network import EPSILON, THETA
from siwork.policies.tiny import TinyPolicy
from siwork.policies.tokens import BEGIN, END, PAD
from siwork.schema import missing_extra

if TYPE_CHECKING:
    from transformers import LlamaConfig, LlamaForCausalLM


def to_llama(policy: TinyPolicy) -> tuple[LlamaForCausalLM, LlamaConfig]:
    """The policy's weights in a `LlamaForCausalLM`, and its configuration.

    Token numbers are those of `policy.tokens`: a prompt's, then begin (2), then the response's, then end (1). Its
    generation settings suppress pad (0) and begin, which the policy never says; other tools must forbid them too.

    Raises MissingExtra when transformers is not installed.
    """
    try:
        from transformers import LlamaConfig, LlamaForCausalLM
    except ImportError:
        raise missing_extra("to_llama", "transformers", "lm") from None
    shape = policy.shape
    config = LlamaConfig(
        vocab_size=len(policy.tokens),
        hidden_size=shape.width,
        intermediate_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        max_position_embeddings=2048,
        rms_norm_eps=EPSILON,
        rope_parameters={"rope_type": "default", "rope_theta": THETA},
        tie_word_embeddings=False,
        attention_bias=False,
        mlp_bias=False,
        pad_token_id=PAD,
        eos_token_id=END,
        bos_token_id=BEGIN,
    )
    model = LlamaForCausalLM(config)
    model.load_state_dict(_weights(policy))
    model.generation_config.suppress_tokens = [PAD, BEGIN]
    return model.eval(), config


def write_llama(policy: TinyPolicy, folder: Path) -> None:
    """The policy as a folder that transformers and vLLM load: Llama, tokenizer and configuration.

    The tokenizer puts begin behind a prompt, and reads the longest tokens first, as the policy does.

    Raises MissingExtra when transformers is not installed.
    """
    from transformers.utils import logging

    model, _ = to_llama(policy)
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    model.save_pretrained(folder)
    if bars:
        logging.enable_progress_bar()
    _tokenizer(policy).save_pretrained(folder)


def _tokenizer(policy: TinyPolicy) -> Any:
    from tokenizers import Regex, Tokenizer
    from tokenizers.decoders import Fuse
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Split
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    names = {PAD: "<pad>", END: "<end>", BEGIN: "<begin>"}
    strings = [names.get(i, text) for i, text in enumerate(policy.tokens.strings)]
    longest_first = "|".join(map(re.escape, sorted(policy.tokens.vocabulary, key=len, reverse=True)))
    made: Any = Tokenizer(WordLevel({text: i for i, text in enumerate(strings)}, unk_token=names[PAD]))
    made.pre_tokenizer = Split(Regex(longest_first), behavior="isolated")
    made.post_processor = TemplateProcessing(single=f"$A {names[BEGIN]}", special_tokens=[(names[BEGIN], BEGIN)])
    made.decoder = Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token=names[PAD], eos_token=names[END], bos_token=names[BEGIN]
    )


def _weights(policy: TinyPolicy) -> dict[str, Tensor]:
    net, heads = policy.network, policy.shape.heads
    named: dict[str, Any] = {
        "model.embed_tokens.weight": net.embed,
        "model.norm.weight": net.last_norm,
        "lm_head.weight": net.head,
    }
    for i in range(policy.shape.layers):
        queries, keys, values = net.qkv[i].chunk(3)
        gate, up = net.gate_up[i].chunk(2)
        here = {
            "input_layernorm": net.attention_norm[i],
            "self_attn.q_proj": _apart(queries, heads),
            "self_attn.k_proj": _apart(keys, heads),
            "self_attn.v_proj": values,
            "self_attn.o_proj": net.out[i],
            "post_attention_layernorm": net.feed_norm[i],
            "mlp.gate_proj": gate,
            "mlp.up_proj": up,
            "mlp.down_proj": net.down[i],
        }
        named |= {f"model.layers.{i}.{name}.weight": weights for name, weights in here.items()}
    return {name: weights.detach().clone() for name, weights in named.items()}


def _apart(rows: Tensor, heads: int) -> Tensor:
    """Rows of each head from pairs (0, 1), (2, 3), … to halves (0, 2, …), (1, 3, …), as transformers turns them."""
    return torch.cat([half for head in rows.chunk(heads) for half in (head[::2], head[1::2])])
