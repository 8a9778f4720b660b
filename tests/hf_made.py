"""Models of transformers made on the spot: a Llama that can play a task, and small ones with every kind of tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

import siwork
from siwork.policies.hf.opening import quiet
from siwork.policies.llama import write_llama


def write_player(folder: Path, task: str = "countdown") -> str:
    """The base policy of a task as a Llama of transformers; its folder."""
    write_llama(siwork.policy("tiny", task), folder)
    return str(folder)


def write_fresh(folder: Path, tokenizer: Any, **sizes: Any) -> str:
    """A small Llama with fresh weights and some tokenizer."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    usual = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    usual |= {"max_position_embeddings": 128, "num_key_value_heads": 2, "pad_token_id": 0}
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **{**usual, **ends, **sizes}))
    with quiet():
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return str(folder)


TEXTS = ["What is 3 + 4?", "It is 7.", "The answer is 12, or so.", "A word\n\nQuestion: and another"] * 4
CHAT = (
    "{% for m in messages %}<s>{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


def byte_pairs(chat: bool = False) -> Any:
    """Byte-level BPE with merges, as GPT-2 and Qwen have it."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=330, special_tokens=["<pad>", "</s>", "<s>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    made.train_from_iterator(TEXTS, trainer)
    return _fast(made, chat)


def characters() -> Any:
    """A token for each printable character of ASCII: whatever is said is read back as it was said."""
    alphabet = {chr(code): place + 1 for place, code in enumerate(range(32, 127))}
    made = Tokenizer(models.BPE({"</s>": 0} | alphabet, []))
    made.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(tokenizer_object=made, pad_token="</s>", eos_token="</s>")


def pieces_of_sentences() -> Any:
    """As Llama 2 has it: BPE over characters, a blank before the first word, a begin token before every text."""
    made = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    made.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    special = ["<pad>", "</s>", "<s>", "<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]
    made.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=340, special_tokens=special))
    made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 2)])
    return _fast(made)


def _fast(made: Tokenizer, chat: bool = False) -> Any:
    found = PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>", eos_token="</s>", bos_token="<s>")
    if chat:
        found.chat_template = CHAT
    return found
