"""Serving under load, ONNX beside torch, and drift without and with something planted: a part of measure/scale.md.

`python measure/scale_serving.py [--only load,memory,sigterm,onnx,drift,replay] [--quick]` writes
measure/scale_serving.json. Every part is bounded in count and time.

The server is a process of its own on loopback, with one thread for the network. The clients are one other process with
connections that stay open; each client sends its next request when its last one is answered. Both share the machine.
"""

import argparse
import asyncio
import contextlib
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from common import HERE, machine, table

WORDS = "the soup was cold and a waiter forgot our drinks but we would never come back for cake alone".split()
CLIENTS = (1, 8, 32)
AIM = 3.0  # times the requests a second, batched against one at a time, with 32 clients
NETWORKS = {  # name: (words of a text, how it is made)
    "mini-bert, 20 words": (20, "mini-bert"),
    "mini-bert, 90 words": (90, "mini-bert"),
    "6 layers of 384 (as MiniLM), 20 words": (20, "minilm"),
}


def texts(n, words, seed=0):
    "Texts of about so many words."
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, rng.integers(words * 3 // 4, words * 5 // 4 + 1))) for _ in range(n)]


def make_model(name):
    "A model that may be served: its head is drawn, and so are the weights of the larger ones."
    import torch

    from ftcourse import load_model
    from ftcourse.models.model import Model

    torch.manual_seed(0)
    small = load_model("mini-bert", head="classify", labels=["bad", "good"])
    if name == "mini-bert":
        with torch.no_grad():
            for key, p in small.network.named_parameters():
                if key in small.new:
                    p.normal_(std=0.3)
        return small
    from transformers import BertConfig, BertForSequenceClassification

    layers, width = {"minilm": (6, 384)}[name]
    config = BertConfig(
        vocab_size=len(small.tokenizer),
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=12,
        intermediate_size=4 * width,
        num_labels=2,
    )
    network = BertForSequenceClassification(config).eval()
    return Model(network, small.tokenizer, "classify", labels=["bad", "good"], text=("text",), info=dict(source=name))


@contextlib.contextmanager
def server(folder, *flags):
    "A server as a process: (process, port, log)."
    with tempfile.TemporaryDirectory() as place:
        log = Path(place) / "log.txt"
        call = [sys.executable, "-m", "ftcourse.course.cli.main", "serve", str(folder), "--port", "0", *flags]
        with open(log, "w") as heard:
            process = subprocess.Popen(
                call, stdout=heard, stderr=subprocess.STDOUT, env=os.environ | {"OMP_NUM_THREADS": "1"}
            )
        try:
            end = time.monotonic() + 120
            while not (found := re.search(r"listening on http://\S+?:(\d+)", log.read_text())):
                if process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(log.read_text()[-2000:])
                time.sleep(0.05)
            yield process, int(found[1]), log
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


async def client(port, bodies, times, seen, until):
    """One connection: sends a body when the last one is answered. `seen` counts answers by status; "cut" where one
    began and did not end, "none" where the connection ended before an answer began.
    """
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        seen["refused"] = seen.get("refused", 0) + 1
        return
    with contextlib.suppress(OSError):
        while bodies and time.monotonic() < until:
            body, head = bodies.pop(), b""
            began = time.perf_counter()
            try:
                writer.write(
                    b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                    b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
                )
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(re.search(rb"content-length: (\d+)", head, re.I)[1])
                await reader.readexactly(length)
            except (asyncio.IncompleteReadError, OSError) as e:
                kind = "cut" if head or getattr(e, "partial", b"") else "none"
                seen[kind] = seen.get(kind, 0) + 1
                break
            status = head[9:12].decode()
            seen[status] = seen.get(status, 0) + 1
            times.append(time.perf_counter() - began)
            if b"connection: close" in head.lower():
                break
        writer.close()


def fire(port, clients, bodies, seconds=60.0, ended=None):
    "Clients until all bodies are sent: (latencies, answers by status, seconds)."
    times, seen, left = [], {}, list(bodies)

    async def all_of_them():
        until = time.monotonic() + seconds
        await asyncio.gather(*(client(port, left, times, seen, until) for _ in range(clients)))

    began = time.perf_counter()
    asyncio.run(all_of_them())
    return times, seen, time.perf_counter() - began


def bodies_of(n, words, seed=0):
    return [json.dumps({"text": t}).encode() for t in texts(n, words, seed)]


def scraped(port):
    "What /metrics says: {name: value}, histograms by their sum and count."
    import urllib.request

    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {m[1]: float(m[2]) for m in re.finditer(r"^(ftcourse_\w+) (\S+)$", text, re.M)}


def load(quick=False):
    "Requests a second and latencies, batched and one at a time, in turns."
    found, rounds = {}, 1 if quick else 2
    for name, (words, kind) in NETWORKS.items():
        rows = {}
        with tempfile.TemporaryDirectory() as place:
            folder = make_model(kind).save(Path(place) / "model")
            alone = ("--limit-rows", "1", "--limit-wait", "0")
            with server(folder) as a, server(folder, *alone) as b:
                for _, port, _ in (a, b):
                    fire(port, 4, bodies_of(40, words))  # warm
                for k in range(rounds):
                    for clients in CLIENTS:
                        n = (30 if quick else 60 if kind == "minilm" else 150) * min(clients, 8)
                        for way, (process, port, _) in (("batched", a), ("one at a time", b)):
                            before, cpu = scraped(port), psutil.Process(process.pid).cpu_times()
                            times, seen, seconds = fire(port, clients, bodies_of(n, words, k), 10.0)
                            after, later = scraped(port), psutil.Process(process.pid).cpu_times()
                            assert set(seen) == {"200"}, seen
                            spent = later.user + later.system - cpu.user - cpu.system
                            of = lambda key, a=after, b=before: a[key] - b[key]
                            rows.setdefault((clients, way), []).append(
                                {
                                    "rate": len(times) / seconds,
                                    "p50": 1000 * statistics.median(times),
                                    "p95": 1000 * float(np.quantile(times, 0.95)),
                                    "cpu_ms": 1000 * spent / len(times),
                                    "model_ms": 1000 * of("ftcourse_compute_seconds_total") / len(times),
                                    "batch": of("ftcourse_batch_rows_sum") / of("ftcourse_batch_rows_count"),
                                }
                            )
        middle = lambda xs, key: round(statistics.median(x[key] for x in xs), 2)
        found[name] = [{"clients": c, "way": way, **{k: middle(xs, k) for k in xs[0]}} for (c, way), xs in rows.items()]
        for row in found[name]:
            print(f"  {name}: {row}", flush=True)
    return found


def memory(quick=False):
    "Resident memory of the server over 10,000 requests of 1 to 4 texts of very different lengths."
    n, step = (600, 200) if quick else (10_000, 1_000)
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as place:
        folder = make_model("mini-bert").save(Path(place) / "model")
        with server(folder) as (process, port, _):
            resident, answers, at = psutil.Process(process.pid), {}, []
            for k in range(n // step):
                bodies = [
                    json.dumps(
                        {"texts": texts(int(rng.integers(1, 5)), int(rng.integers(2, 90)), k * step + i)}
                    ).encode()
                    for i in range(step)
                ]
                _, seen, _ = fire(port, 8, bodies, 90.0)
                answers = {s: answers.get(s, 0) + seen.get(s, 0) for s in {*answers, *seen}}
                at.append((sum(answers.values()), round(resident.memory_info().rss / 2**20, 1)))
                print(f"  memory: {at[-1]}", flush=True)
    requests, mib = np.array(at, float).T
    half = len(at) // 2  # the first half: what is made at first use
    slope = float(np.polyfit(requests[half:], mib[half:], 1)[0]) * 1000
    return {"answers": answers, "mib": at, "mib_per_1000_requests_second_half": round(slope, 3)}


def sigterm(quick=False):
    "SIGTERM while 32 clients send: what the clients got, and what the server says it answered."
    found = []
    with tempfile.TemporaryDirectory() as place:
        folder = make_model("mini-bert").save(Path(place) / "model")
        for k in range(1 if quick else 5):
            with server(folder) as (process, port, log):
                send = (
                    "import json, sys; sys.path.insert(0, sys.argv[1]); from scale_serving import bodies_of, fire;"
                    "t, seen, s = fire(int(sys.argv[2]), 32, bodies_of(100_000, 20, int(sys.argv[3])), 30.0);"
                    "print(json.dumps(seen))"
                )
                clients = subprocess.Popen(
                    [sys.executable, "-c", send, str(HERE), str(port), str(k)], stdout=subprocess.PIPE, text=True
                )
                end = time.monotonic() + 60
                while scraped(port).get("ftcourse_rows_total", 0) < 200 and time.monotonic() < end:
                    time.sleep(0.1)
                extra = 1 + int(scraped(port)["ftcourse_request_seconds_count"])  # this one counts itself later
                before = scraped(port)["ftcourse_rows_total"]
                process.send_signal(signal.SIGTERM)
                code = process.wait(60)
                seen = json.loads(clients.communicate(timeout=60)[0])
                said = re.search(r"answered ([\d,]+) requests, ([\d,]+) texts", log.read_text())
                rows = int(said[2].replace(",", ""))
            found.append({"exit": code, "clients": seen, "server_texts": rows, "before": before, "extra": extra})
            found[-1]["lost"] = rows - seen.get("200", 0) + seen.get("cut", 0)
            print(f"  sigterm: {found[-1]}", flush=True)
    return found


def onnx(quick=False):
    "CPU seconds of the same batches through onnxruntime and torch, one thread each, in turns."
    import onnxruntime
    import torch

    from ftcourse.data.batches import Batches
    from ftcourse.data.encode.texts import encode_texts
    from ftcourse.models.forward import evaluating
    from ftcourse.models.onnx import export_onnx

    torch.set_num_threads(1)
    found, rounds = [], 2 if quick else 7
    for kind in ("mini-bert", "minilm"):
        model = make_model(kind)
        with tempfile.TemporaryDirectory() as place:
            file = export_onnx(model, Path(place) / "m.onnx")
            size = file.stat().st_size
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        names = [x.name for x in session.get_inputs()]
        for rows, words in ((1, 20), (32, 20), (8, 90)):
            examples = encode_texts(texts(rows, words), model.tokenizer, 128)
            batch = next(iter(Batches(examples, rows, shuffle=False)))
            types = torch.zeros_like(batch.ids)
            feed = dict(zip(names, (x.numpy() for x in (batch.ids, batch.mask.long(), types))))
            ways = {
                "onnxruntime": lambda session=session, feed=feed: session.run(None, feed)[0],
                "torch, as here": lambda model=model, batch=batch: model.forward(batch).numpy(),
                "torch, transformers": lambda model=model, batch=batch: model.core.network_logits(
                    batch.ids, batch.mask, None
                ).numpy(),
            }
            spent, said = {w: [] for w in ways}, {}
            with evaluating(model.network):
                for k in range(rounds + 1):
                    for way, run in ways.items():
                        began = time.process_time()
                        said[way] = run()
                        if k:
                            spent[way].append(time.process_time() - began)
            least = {w: round(1000 * min(x), 3) for w, x in spent.items()}
            apart = float(np.abs(said["onnxruntime"] - said["torch, as here"]).max())
            found.append(
                dict(network=kind, rows=rows, tokens=int(batch.ids.shape[1]), cpu_ms=least, apart=apart, bytes=size)
            )
            print(f"  onnx: {found[-1]}", flush=True)
    return found


def drift(quick=False):
    "False alarms over draws of one pool, and how often planted drifts are found, on the built-in reviews."
    from scipy.stats import binomtest

    from ftcourse import fine_tune_model, load_task
    from ftcourse.metrics.drift import compare_rows, drift_rows

    runs, task = 40 if quick else 400, load_task("reviews")
    model = fine_tune_model("tiny-bert", "reviews", rows=512, epochs=2)
    test = task.test["text"][:]
    more = [text for name in ("train", "validation") for text in task.splits[name]["text"][:]][:3000]
    pool, other = drift_rows(model, more), drift_rows(model, load_task("topics").test["text"][:])
    novel = drift_rows(model, load_task("reviews-novel").test["text"][:])
    held = drift_rows(model, test)
    positive = np.flatnonzero(pool.said[:, -1])
    found = []

    def alarms(name, new_of, n):
        raised, by = 0, {}
        for seed in range(runs):
            rng = np.random.default_rng([seed, n])
            order = rng.permutation(len(pool))
            result = compare_rows(pool[order[:500]], new_of(rng, order[500:], n), draws=499, seed=seed)
            raised += result.drifted
            for s in result.signals:
                by[s.name] = by.get(s.name, 0) + s.drifted
        share = binomtest(raised, runs).proportion_ci(method="wilson")
        found.append(
            dict(planted=name, new=n, runs=runs, raised=raised / runs, low=share.low, high=share.high)
            | {"by": {k: v / runs for k, v in by.items()}}
        )
        print(f"  drift: {found[-1]}", flush=True)

    def mixed(source, share):
        def new(rng, rest, n):
            k = int(round(n * share))
            return source[rng.choice(len(source), k, replace=k > len(source))] + pool[rest[: n - k]]

        return new

    for n in (50, 200, 1000):
        alarms("nothing", lambda rng, rest, n: pool[rest[:n]], n)
    for n in (50, 200):
        for share in (0.1, 0.3):
            alarms(f"{share:.0%} more of one label", mixed(pool[positive], share), n)
            alarms(f"{share:.0%} other texts (topics)", mixed(other, share), n)
        alarms("30% reviews with new opinion words", mixed(novel, 0.3), n)
        alarms("all from the test split (other names and frames)", mixed(held, 1.0), n)
    return found


def replay(quick=False):
    """What later training loses of the old test rows, and what replay keeps, over five seeds.

    "new topics": a model that knows four topics is trained on rows of four others; its head has all eight from the
    start.
    """
    from dataclasses import replace

    from ftcourse import evaluate_model, fine_tune_model, load_task
    from ftcourse.data.replay import with_replay
    from ftcourse.metrics.intervals import mean_interval

    def only(task, classes):
        keep = lambda rows: rows.select(np.flatnonzero(np.isin(rows["label"][:], classes)))
        return replace(task, splits=type(task.splits)({k: keep(v) for k, v in task.splits.items()}))

    topics = load_task("topics")
    pairs = {
        "new topics": (only(topics, range(4)), only(topics, range(4, 8)), 200, 100),
    }
    found = []
    for name, (old, new, n_old, n_new) in pairs.items():
        scores = {}
        for seed in range(1 if quick else 5):
            before, later = old.take(n_old, seed=seed), new.take(n_new, seed=seed)
            first = fine_tune_model("tiny-bert", before, seed=seed)
            models = {"before": first}
            for share in (0.0, 0.1, 0.5):
                models[f"replay {share:g}"] = fine_tune_model(first, with_replay(later, before, share, seed), seed=seed)
            for way, model in models.items():
                pair = [evaluate_model(model, task, rows=300)["accuracy"] for task in (old, new)]
                scores.setdefault(way, []).append(pair)
        for way, values in scores.items():
            on = {side: mean_interval([v[i] for v in values]) for i, side in enumerate(("old", "new"))}
            lost = [v[0] - b[0] for v, b in zip(values, scores["before"])]
            row = dict(case=name, way=way, **{k: [round(x, 4) for x in v] for k, v in on.items()})
            row["old_change"] = [round(x, 4) for x in mean_interval(lost)]
            found.append(row | {"each": values})
            print(f"  replay: {found[-1]}", flush=True)
    return found


PARTS = {"load": load, "memory": memory, "sigterm": sigterm, "onnx": onnx, "drift": drift, "replay": replay}


def written(found):
    "The record as Markdown sections."
    lines = []
    for name, rows in found.get("load", {}).items():
        top = {row["way"]: row for row in rows if row["clients"] == max(CLIENTS)}
        ratio = top["batched"]["rate"] / top["one at a time"]["rate"]
        lines += [f"### Serving, {name}", table(rows)]
        lines += [f"With {max(CLIENTS)} clients {ratio:.1f} times the requests a second (aim {AIM:g})."]
    if m := found.get("memory"):
        lines += ["### Memory", table([{"requests": n, "MiB": x} for n, x in m["mib"]])]
        lines += [f"{m['mib_per_1000_requests_second_half']:+.2f} MiB for 1,000 requests in the second half."]
    if rows := found.get("sigterm"):
        lines += ["### SIGTERM under load", table([{k: str(v) for k, v in row.items()} for row in rows])]
    if rows := found.get("onnx"):
        flat = [
            {"network": r["network"], "rows": r["rows"], "tokens": r["tokens"]}
            | {f"{w}, CPU ms": x for w, x in r["cpu_ms"].items()}
            | {"apart": f"{r['apart']:.1e}"}
            for r in rows
        ]
        lines += ["### ONNX beside torch", table(flat)]
    if rows := found.get("drift"):
        flat = [
            {"planted": r["planted"], "new texts": r["new"], "raised": f"{r['raised']:.3f}"}
            | {"95%": f"{r['low']:.3f}–{r['high']:.3f}"}
            for r in rows
        ]
        lines += ["### Drift", table(flat)]
    if rows := found.get("replay"):
        shown = lambda x: f"{x[0]:.3f} ({x[1]:.3f} to {x[2]:.3f})"
        flat = [
            {"later rows": r["case"], "trained on": r["way"], "old test rows": shown(r["old"])}
            | {"new test rows": shown(r["new"]), "change on the old ones": shown(r["old_change"])}
            for r in rows
        ]
        lines += ["### Later rows", table(flat)]
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    file = HERE / "scale_serving.json"
    record = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    for name in options.only.split(","):
        print(name, flush=True)
        record[name] = PARTS[name](options.quick)
        record.setdefault("machine", {})[name] = machine(1) | {"load": os.getloadavg()}
        if not options.quick:
            file.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print("\n\n".join(written(record)))


if __name__ == "__main__":
    main()
