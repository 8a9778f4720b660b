"""Words, overlap, compression, answers and embeddings."""

import re
from typing import Any

from oracle_checks.harness import NUMBER, Checker, by_inputs
from siwork.metrics.collapse import diversity_simctg, rep_n, rep_w
from siwork.metrics.diversity import (
    answer_entropy,
    chao1,
    compression_ratio,
    coverage,
    distinct_at_k,
    distinct_n,
    distinct_n_texts,
    ead,
    gini_simpson,
    hdd,
    hill_number,
    homogenization,
    mattr,
    mean_cosine_distance,
    mtld,
    pairwise_bleu,
    self_bleu,
    self_bleu_texts,
    self_repetition,
    ttr,
    vendi_score,
)


def _distinct(given: dict[str, Any]) -> dict[str, Any]:
    tokens = [text.split() for text in given["texts"]]

    def of(n: int) -> dict[str, Any]:
        total = sum(max(len(text) - n + 1, 0) for text in tokens)
        return {
            "total": total,
            "unique": distinct_n(tokens, n) * total if total else 0,
            "distinct_n_corpus": distinct_n(tokens, n),
            "distinct_n_mean_over_texts": distinct_n_texts(tokens, n),
            re.compile(r"ead_V(\d+)"): lambda size: ead(tokens, n, int(size)),
        }

    whole = {str(n): of(n) for n in range(1, 5)}
    return {
        **whole,
        "ngram_diversity_sum_1_4_no_cross_boundary": sum(distinct_n(tokens, n) for n in range(1, 5)),
    }


def _bleu(given: dict[str, Any]) -> dict[str, Any]:
    tokens = [text.split() for text in given["texts"]]
    return {
        re.compile(r"self_bleu(\d)_nltk_method1"): lambda order: self_bleu(tokens, int(order)),
        re.compile(r"pairwise_bleu4_nltk_method1_first(\d+)"): lambda texts: pairwise_bleu(tokens[: int(texts)]),
        "per_text_nltk_method1": lambda: self_bleu_texts(tokens),
    }


def _compression(given: dict[str, Any]) -> dict[str, Any]:
    def of(separator: str) -> dict[str, Any]:
        size = len(separator.join(given["texts"]).encode())
        gz, xz = (compression_ratio(given["texts"], separator, codec) for codec in ("gzip", "xz"))
        return {
            "original_bytes": size,
            "gzip9_bytes": size / gz,
            "cr_gzip9": gz,
            "crd_gzip9": 1 / gz,
            "xz6_bytes": size / xz,
            "cr_xz6": xz,
        }

    return {"newline": of("\n"), "space": of(" ")}


def _overlap(given: dict[str, Any]) -> dict[str, Any]:
    tokens = [text.split() for text in given["texts"]]
    return {"homogenization_rougeL": homogenization(given["texts"]), "self_repetition_4": self_repetition(tokens, 4)}


def _repetition(given: dict[str, Any]) -> dict[str, Any]:
    tokens = [given["tokens"]]
    return {
        re.compile(r"rep_(\d+)"): lambda n: rep_n(tokens, int(n))[0],
        re.compile(r"rep_w(\d+)"): lambda w: rep_w(tokens, int(w))[0],
        "diversity_simctg": diversity_simctg(tokens)[0],
    }


def _lexical(given: dict[str, Any]) -> dict[str, Any]:
    tokens = given["tokens"]
    window = re.compile(r"mattr(\d+)")
    return {"mtld": mtld(tokens), "hdd": hdd(tokens), window: lambda w: mattr(tokens, int(w)), "ttr": ttr(tokens)}


def _vendi(given: dict[str, Any]) -> dict[str, Any]:
    return {
        NUMBER: lambda q: vendi_score(given["X"], float(q)),
        "rank_q0": vendi_score(given["X"], 0),
        "mean_pairwise_cosine": 1 - mean_cosine_distance(given["X"]),
    }


def _vendi_kernel(given: dict[str, Any]) -> dict[str, Any]:
    return {NUMBER: lambda q: vendi_score(given["K"], float(q), kernel=True)}


def _richness(given: dict[str, Any]) -> dict[str, Any]:
    counts = given["counts"]
    return {
        "observed": hill_number(counts, 0),
        "chao1_bias_corrected": chao1(counts),
        "goods_coverage": coverage(counts, method="good_turing"),
        "chao_jost_coverage": coverage(counts),
        "shannon_nats": answer_entropy(counts, "none"),
        "miller_madow_entropy": answer_entropy(counts),
        "gini_simpson": 1 - 1 / hill_number(counts, 2),
        "unbiased_gini_simpson": gini_simpson(counts),
        "inv_simpson": hill_number(counts, 2),
        re.compile(r"hill_([\d.]+|inf)"): lambda q: hill_number(counts, float(q)),
        re.compile(r"rarefied_to_(\d+)"): lambda k: distinct_at_k(counts, int(k)),
    }


CHECKERS: dict[str, Checker] = {
    "distinct_n": by_inputs(texts=_distinct),
    "self_bleu": by_inputs(texts=_bleu),
    "compression_ratio": by_inputs(texts=_compression),
    "homogenization": by_inputs(texts=_overlap),
    "repetition": by_inputs(tokens=_repetition),
    "lexical_diversity": by_inputs(tokens=_lexical),
    "vendi": by_inputs(X=_vendi, K=_vendi_kernel),
    "richness": by_inputs(counts=_richness),
}
