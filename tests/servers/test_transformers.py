"""What `transformers serve` answers, the second kind of server that is tried."""

from servers.conftest import asked

PROMPT = "1 2 3 = 6"


def test_completions_and_chat(transformers_server):
    url, model = transformers_server
    body = {"model": model, "max_tokens": 12, "temperature": 0}
    plain = asked(f"{url}/v1/completions", body | {"prompt": PROMPT})["choices"][0]
    chat = asked(f"{url}/v1/chat/completions", body | {"messages": [{"role": "user", "content": PROMPT}]})["choices"][0]
    assert plain["text"]
    assert chat["message"]["content"] == plain["text"]  # the template adds nothing


def test_it_says_the_same_as_vllm(transformers_server, vllm):
    body = {"prompt": PROMPT, "max_tokens": 12, "temperature": 0, "model": vllm.model}
    answers = {
        asked(f"{url}/v1/completions", body)["choices"][0]["text"] for url in (vllm.url, transformers_server.url)
    }
    assert len(answers) == 1
