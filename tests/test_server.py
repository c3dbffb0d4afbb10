"`ftcourse serve` as a process of its own: what it answers and refuses, who may ask, how it ends, and its page."

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

import lab
import numpy as np
import pytest

from ftcourse import load_model

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
pytest.importorskip("prometheus_client")

SECRET = "zebra-7421"
NASTY = '<img src=x onerror="document.title=1">'


def trained(name="tiny-bert", head="classify", task=None, **more):
    "A model whose new head was drawn, so that it may be served."
    import torch

    if head in ("classify", "multilabel") and task is None:
        more.setdefault("labels", ["bad", "good", NASTY])
    model = load_model(name, task, head=head, **more)
    torch.manual_seed(1)
    with torch.no_grad():
        for key, p in model.network.named_parameters():
            if key in model.new:
                p.normal_(std=0.3)
    return model


class Server:
    "A process, its port, and what it wrote."

    def __init__(self, model, log, *flags):
        self.log = log
        call = [sys.executable, "-m", "ftcourse.course.cli.main", "serve", str(model), "--port", "0", *flags]
        with open(log, "w") as heard:
            self.process = subprocess.Popen(call, stdout=heard, stderr=subprocess.STDOUT, env=os.environ.copy())
        end = time.monotonic() + 120
        while not (found := re.search(r"listening on http://\S+?:(\d+)", self.said())):
            assert self.process.poll() is None and time.monotonic() < end, self.said()
            time.sleep(0.05)
        self.port = int(found[1])

    def said(self):
        return self.log.read_text(encoding="utf-8")

    def ask(self, method, path, body=None, **headers):
        "(status, answer, headers)."
        line = HTTPConnection("127.0.0.1", self.port, timeout=60)
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
        if body is not None and "type" not in headers:
            headers["type"] = "application/json"
        names = {"type": "Content-Type", "host": "Host"}
        with contextlib.closing(line):
            line.request(method, path, body, {names.get(k, k): v for k, v in headers.items()})
            answer = line.getresponse()
            text = answer.read().decode()
            kind = answer.getheader("content-type", "")
            return answer.status, json.loads(text) if "json" in kind else text, answer.headers

    def end(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


@contextlib.contextmanager
def running(model, log, *flags):
    server = Server(model, log, *flags)
    try:
        yield server
    finally:
        server.end(signal.SIGKILL)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    "(the server, the model that it serves)."
    folder = tmp_path_factory.mktemp("served")
    model = trained()
    model.text = ("text",)
    with running(model.save(folder / "model"), folder / "log.txt", "--limit-bytes", "4000", "--limit-texts", "20") as s:
        yield s, model


def test_many_clients_get_the_models_answers_each_its_own(served):
    server, model = served
    rng = np.random.default_rng(0)
    words = "the soup was cold and a waiter forgot our drinks but we would come back".split()
    asked = [[" ".join(rng.choice(words, rng.integers(1, 40))) for _ in range(rng.integers(1, 5))] for _ in range(60)]
    with ThreadPoolExecutor(16) as pool:
        said = list(pool.map(lambda texts: server.ask("POST", "/predict", {"texts": texts}), asked))
    for texts, (status, answer, _) in zip(asked, said):
        assert status == 200
        labels, p = model.predict(texts, probabilities=True)
        found = np.array([[a["probabilities"][name] for name in model.labels] for a in answer["answers"]])
        assert np.abs(found - p).max() < 1e-5
        sure = np.sort(p)[:, -1] - np.sort(p)[:, -2] > 1e-5
        assert [a["label"] for a, s in zip(answer["answers"], sure) if s] == [x for x, s in zip(labels, sure) if s]
    counters = server.ask("GET", "/metrics")[1]
    batches = float(re.search(r"ftcourse_batch_rows_count (\S+)", counters)[1])
    rows = float(re.search(r"ftcourse_batch_rows_sum (\S+)", counters)[1])
    assert rows >= sum(map(len, asked))
    assert batches < len(asked), "requests of many clients are computed together"


MALFORMED = [
    # method, path, body, status, words of the message
    ("POST", "/predict", b"", 400, "no JSON"),
    ("POST", "/predict", b"{'text': 'a'}", 400, "no JSON"),
    ("POST", "/predict", b'{"text": "a"', 400, "no JSON"),
    ("POST", "/predict", b'{"text": "\xff"}', 400, "not UTF-8"),
    ("POST", "/predict", b"\x00\x01\x02", 400, "no JSON"),
    ("POST", "/predict", b'{"text": NaN}', 400, "no JSON"),
    ("POST", "/predict", b'{"text": -Infinity}', 400, "no JSON"),
    ("POST", "/predict", b"[" * 3000, 400, "no"),
    ("POST", "/predict", b"7", 422, "a number"),
    ("POST", "/predict", b'"a"', 422, "a text"),
    ("POST", "/predict", {}, 422, "'text' or 'texts'"),
    ("POST", "/predict", {"text": "a", "texts": ["a"]}, 422, "one of them"),
    ("POST", "/predict", {"text": None}, 422, "null"),
    ("POST", "/predict", {"text": 3.5}, 422, "a number"),
    ("POST", "/predict", {"text": {"a": 1}}, 422, "an object"),
    ("POST", "/predict", {"texts": []}, 422, "an empty list"),
    ("POST", "/predict", {"texts": "a"}, 422, "is a text"),
    ("POST", "/predict", {"texts": ["a", True]}, 422, "text 1 is true or false"),
    ("POST", "/predict", {"texts": [["a", "b"]]}, 422, "one text a row"),
    ("POST", "/predict", {"texts": ["a"] * 21}, 413, "21, and 20"),
    ("POST", "/predict", {"texts": ["a"], "__proto__": 1}, 422, "not known"),
    ("POST", "/predict", b'{"text": "\\ud800"}', 422, "half a character"),
    ("POST", "/predict", {"text": "a" * 5000}, 413, "4,000 bytes"),
    ("POST", "/generate", {"prompt": "a"}, 404, "does not write text"),
    ("GET", "/predict", None, 405, "GET is not meant"),
    ("PUT", "/predict", {"text": "a"}, 405, "PUT is not meant"),
    ("POST", "/health", {}, 405, "POST is not meant"),
    ("GET", "/../etc/passwd", None, 404, "GET /health"),
    ("GET", "/drift", None, 404, "--reference"),
    ("GET", "/" + "a" * 3000, None, 404, "GET /health"),
]


@pytest.mark.parametrize("case", range(len(MALFORMED)))
def test_a_malformed_request_is_told_what_was_expected(served, case):
    method, path, body, status, words = MALFORMED[case]
    found, said, headers = served[0].ask(method, path, body)
    assert found == status
    assert words in said["error"]
    assert headers["x-content-type-options"] == "nosniff"


def test_the_headers_of_a_request_are_checked(served):
    server = served[0]
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a", ""):
        status, said, _ = server.ask("POST", "/predict", b'{"text": "a"}', type=kind)
        assert (status, "Content-Type: application/json" in said["error"]) == (415, True)
    assert server.ask("POST", "/predict", b'{"text": "a"}', type="Application/JSON; charset=utf-8")[0] == 200
    for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "localhost@evil.example"):
        status, said, _ = server.ask("GET", "/health", host=host)
        assert (status, "names another machine" in said["error"]) == (400, True), host
    for host in ("localhost", "127.0.0.1:1", f"[::1]:{server.port}", "LOCALHOST"):
        assert server.ask("GET", "/health", host=host)[0] == 200
    headers = server.ask("GET", "/health", Origin="http://evil.example")[2]
    assert not [name for name in headers if name.lower().startswith("access-control")]


def raw(server, data: bytes, wait=20.0) -> bytes:
    "The head of what comes back for bytes that no client library would send."
    with socket.create_connection(("127.0.0.1", server.port), timeout=wait) as line:
        found = b""
        with contextlib.suppress(ConnectionError):  # it may answer, and close, while we still send
            line.sendall(data)
        with contextlib.suppress(ConnectionError):
            while b"\r\n\r\n" not in found and (part := line.recv(65536)):
                found += part
        return found


def test_bytes_that_are_no_request_do_not_stop_it(served):
    server = served[0]
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    endless = head + b"Transfer-Encoding: chunked\r\n\r\n" + (b"1000\r\n" + b"a" * 4096 + b"\r\n") * 40
    for data, status in (
        (b"\x16\x03\x01\x02\x00\x01\x00", b"400"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (head + b"Content-Length: -1\r\n\r\n", b"400"),
        (head + b"Content-Length: 99999999999\r\n\r\n{", b"413"),
        (endless, b"413"),
    ):
        assert status in raw(server, data)[:40], data[:60]
    with socket.create_connection(("127.0.0.1", server.port)) as line:  # a client that goes away in the middle
        line.sendall(head + b"Content-Length: 50\r\n\r\n{")
    assert server.ask("POST", "/predict", {"text": "still there"})[0] == 200
    assert "Traceback" not in server.said()


def test_no_text_of_a_request_is_written_anywhere(served):
    server = served[0]
    server.ask("POST", "/predict", {"text": f"my name is {SECRET}"})
    server.ask("POST", "/predict", {"texts": [f"{SECRET}", 3]})
    server.ask("POST", f"/predict?q={SECRET}", f'{{"text": {SECRET}'.encode())
    server.ask("GET", f"/{SECRET}-path")
    assert SECRET not in server.said()
    assert SECRET not in server.ask("GET", "/metrics")[1]


def test_counters_are_what_prometheus_reads(served):
    from prometheus_client.parser import text_string_to_metric_families

    server = served[0]
    before = {f.name: f for f in text_string_to_metric_families(server.ask("GET", "/metrics")[1])}
    server.ask("POST", "/predict", {"texts": ["a", "b", "c"]})
    after = {f.name: f for f in text_string_to_metric_families(server.ask("GET", "/metrics")[1])}
    value = lambda families, name: families[name].samples[0].value
    assert value(after, "ftcourse_rows") == value(before, "ftcourse_rows") + 3
    assert value(after, "ftcourse_queue_rows") == 0
    assert {"ftcourse_requests", "ftcourse_request_seconds", "ftcourse_batch_rows"} <= set(after)


def test_sigterm_answers_what_was_accepted_and_exits_with_zero(tmp_path):
    model = trained()
    with running(model.save(tmp_path / "model"), tmp_path / "log.txt", "--limit-wait", "0.3") as server:
        texts, answered, accepted = ["a word or two"] * 20, [], threading.Barrier(9)

        def client(k):
            line = HTTPConnection("127.0.0.1", server.port, timeout=60)
            body = json.dumps({"texts": texts[: k + 1]})
            line.request("POST", "/predict", body, {"Content-Type": "application/json"})
            accepted.wait(30)
            answer = line.getresponse()
            close = answer.getheader("connection", "").lower()
            answered.append((k, answer.status, len(json.loads(answer.read())["answers"]), close))

        threads = [threading.Thread(target=client, args=(k,)) for k in range(8)]
        for t in threads:
            t.start()
        accepted.wait(30)  # all are sent
        time.sleep(0.1)  # and read: they wait for their batch
        assert server.end() == 0
        for t in threads:
            t.join(30)
        # the last answer says that the connection ends, so that no client sends another request into it
        assert sorted(answered) == [(k, 200, k + 1, "close") for k in range(8)]
        assert "answered 8 requests, 36 texts" in server.said()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", server.port), timeout=5)


def test_ctrl_c_ends_it_and_a_full_queue_is_told(tmp_path):
    folder = trained().save(tmp_path / "model")
    with running(folder, tmp_path / "log.txt", "--limit-queue", "4", "--json") as server:
        status, said, _ = server.ask("POST", "/predict", {"texts": ["a"] * 5})
        assert (status, said["error"]) == (503, "the server has too much to do: ask again later")
        assert server.ask("POST", "/predict", {"texts": ["a"] * 4})[0] == 200
        assert server.end(signal.SIGINT) == 0
        assert json.loads(server.said().partition("{")[2].join(["{", ""]))["rows"] == 4


def test_a_decoder_writes_and_pairs_and_spans_are_answered():
    from ftcourse.course.serving import serving

    def post(url, path, body):
        host, port = url.removeprefix("http://").split(":")
        line = HTTPConnection(host, int(port), timeout=60)
        with contextlib.closing(line):
            line.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            answer = line.getresponse()
            return answer.status, json.loads(answer.read())

    gpt = load_model("tiny-gpt", head="lm")
    with serving(gpt) as url:
        prompts = ["The hotel was", "My friend"]
        status, said = post(url, "/generate", {"prompts": prompts, "max_new_tokens": 12})
        assert status == 200
        assert [a["text"] for a in said["answers"]] == [g.text for g in gpt.generate(prompts, max_new_tokens=12)]
        drawn = {"prompt": prompts[0], "temperature": 1.0, "seed": 5, "max_new_tokens": 8}
        assert post(url, "/generate", drawn)[1] == post(url, "/generate", drawn)[1]
        assert post(url, "/generate", {"prompt": "a", "max_new_tokens": 10**6})[0] == 422
        assert post(url, "/predict", {"text": "a"})[0] == 404
    reader = trained(head="span")
    with serving(reader) as url:
        pair = ["Who forgot?", "The waiter forgot our drinks. " * 30]
        status, said = post(url, "/predict", {"texts": [pair, ["a", "b"]]})
        assert status == 200
        assert [a["answer"] for a in said["answers"]] == reader.predict([tuple(pair), ("a", "b")])
        found = said["answers"][0]
        assert not found["answer"] or pair[1][found["start"] : found["end"]] == found["answer"]
        assert post(url, "/predict", {"text": "alone"})[0] == 422
    both = trained()  # a model that was not told whether it reads pairs: neighbours do not mix
    with serving(both) as url, ThreadPoolExecutor(8) as pool:
        rows = [["a", "b"] if i % 2 else "a b" for i in range(24)]
        said = list(pool.map(lambda row: post(url, "/predict", {"texts": [row]}), rows))
        assert [status for status, _ in said] == [200] * 24
        p = [both.probabilities([tuple(row) if isinstance(row, list) else row])[0, 0] for row in rows]
        assert np.allclose([a["answers"][0]["probabilities"]["bad"] for _, a in said], p, atol=1e-5)
    from ftcourse.course.serving import Limits

    with serving(both, Limits(seconds=0.2)) as url:  # a client that does not send what it announced
        head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50\r\n"
        with socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1])), timeout=30) as line:
            line.sendall(head + b"\r\n{")
            assert b"408" in line.recv(65536)[:30]
    measured = trained(head="regress")
    with serving(measured) as url:
        said = post(url, "/predict", {"texts": ["a soup", "b"]})[1]["answers"]
        assert np.allclose([a["value"] for a in said], measured.predict(["a soup", "b"]), atol=1e-4)


def test_new_texts_are_compared_with_a_reference_a_window_at_a_time(tmp_path):
    from ftcourse import fine_tune_model, load_task

    model = fine_tune_model("tiny-bert", "reviews", rows=64, max_steps=8)
    same = list(load_task("reviews").test["text"])
    reference = tmp_path / "reference.csv"
    lines = ["text", *(f'"{t}"' for t in same[:200])]
    reference.write_text("\n".join(lines) + "\n", encoding="utf-8")
    flags = ("--reference", str(reference), "--window", "60")
    with running(model.save(tmp_path / "model"), tmp_path / "log.txt", *flags) as server:
        assert server.ask("GET", "/drift")[1]["windows"] == 0
        server.ask("POST", "/predict", {"texts": same[200:260]})
        said = server.ask("GET", "/drift")[1]
        assert (said["windows"], said["texts"], said["found"]["drifted"]) == (1, 0, False)
        server.ask("POST", "/predict", {"texts": [f"qzx vvkk ☃ ÆØ {i}" for i in range(70)]})
        said = server.ask("GET", "/drift")[1]
        assert (said["windows"], said["texts"], said["found"]["drifted"]) == (2, 10, True)
        counters = server.ask("GET", "/metrics")[1]
        assert 'ftcourse_drift{signal="tokens per word"} 1.0' in counters
        assert "ftcourse_drift_windows 2.0" in counters
    from ftcourse.course.cli.main import main

    new = tmp_path / "new.txt"
    new.write_text("\n".join(f"qzx vvkk ÆØ {i}" for i in range(40)), encoding="utf-8")
    assert main(["drift", str(tmp_path / "model"), str(reference), str(new), "--json"]) == 0


def test_what_cannot_be_served_is_refused_before_it_listens(tmp_path, capsys, monkeypatch):
    from ftcourse.course.cli.main import main

    folder = str(trained().save(tmp_path / "model"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["serve", folder, "--port", str(port)]) == 1
    for arguments, words in (
        ([folder, "--port", "70000"], "from 0 to 65535"),
        ([folder, "--limit-rows", "0"], "--limit-rows=0: give a whole number from 1 on"),
        ([folder, "--host", "256.1.1.1"], "choose another"),
        (["tiny-bert"], "fine-tune it"),
        ([folder, "--reference", "reviews", "--window", "3"], "30 or more"),
    ):
        assert main(["serve", *arguments]) == 1
        assert words in capsys.readouterr().err, arguments
    for name in ("starlette", "uvicorn", "prometheus_client"):
        with monkeypatch.context() as m:
            m.setitem(sys.modules, name, None)
            assert main(["serve", folder]) == 1
        assert f"takes the package {name}" in capsys.readouterr().err


WHY_NOT = lab.missing()


@pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
def test_the_page_asks_the_model_and_shows_texts_as_texts(served, tmp_path):
    server, model = served
    with lab.browser() as window:
        page = window.new_page(viewport={"width": 800, "height": 760})
        page.set_default_timeout(30_000)
        problems, asked = [], []
        page.on("console", lambda m: problems.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: problems.append(str(e)))
        page.on("request", lambda r: asked.append(r.url))
        page.goto(f"http://127.0.0.1:{server.port}/")
        page.wait_for_selector("#go:enabled")
        texts = ["The soup was cold.", NASTY, "word " * 200]
        page.fill("#first", "\n".join(texts))
        page.click("#go")
        page.wait_for_selector("article >> nth=2")
        shown = page.locator("article p.answer").all_text_contents()
        assert shown == model.predict(texts)
        assert page.locator("article p").nth(2).text_content() == NASTY
        assert page.locator("article img, h1 img, #about img").count() == 0
        assert "of which" not in page.locator("article").nth(0).text_content()
        assert "were read" in page.locator("article").nth(2).text_content()
        meters = page.locator("article").first.locator("meter")
        assert meters.count() == len(model.labels)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        page.fill("#first", "\n".join(["a"] * 21))
        page.keyboard.press("Control+Enter")
        page.wait_for_selector(".error")
        assert "21, and 20" in page.locator(".error").text_content()
        assert [p for p in problems if "413" not in p] == []
        assert all(url.startswith((f"http://127.0.0.1:{server.port}/", "data:")) for url in asked)
        page.fill("#first", "\n".join([*texts[:2], "We would come back for the cake alone."]))
        page.click("#go")
        page.wait_for_selector("article >> nth=2")
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.screenshot(path=os.environ.get("FTCOURSE_SHOTS", str(tmp_path)) + f"/{scheme}.png")
        colours = "getComputedStyle(document.body).backgroundColor"
        assert page.evaluate(colours) != "rgb(255, 255, 255)"
