"""A stand-in for the hub on this machine: the part of its interface that loading and pushing use, over folders of
files.

    with Hub(models={"someone/small": {"main": folder, "v1": other}}, datasets={"someone/opinions": {…}}) as hub:
        subprocess.run(…, env=os.environ | hub.environment(tmp_path))

Each revision gets a commit of its own, made from its files. `hub.asked` holds every request, `hub.broken` paths that
stop in the middle of a file.
"""

import base64
import hashlib
import json
import os
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlparse


def sha1(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def contents(folder):
    "{path: bytes} of the files in a folder."
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(Path(folder).rglob("*")) if p.is_file()}


def without_proxies():
    "This process's environment, for one that shall find the hub on this machine."
    return {k: v for k, v in os.environ.items() if k.lower() not in ("http_proxy", "https_proxy", "all_proxy")}


class Hub:
    def __init__(self, models=None, datasets=None):
        self.repos = {}
        for kind, repos in (("models", models), ("datasets", datasets)):
            self.repos |= {(kind, name): dict(revisions) for name, revisions in (repos or {}).items()}
        self.asked, self.broken, self.pushed, self.large = [], set(), {}, {}

    def __enter__(self):
        hub = self

        class Handler(Answer):
            home = hub

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def environment(self, home):
        "Variables for a process that shall take this for the hub."
        return {
            "HF_ENDPOINT": self.endpoint,
            "HF_HUB_OFFLINE": "0",
            "HF_DATASETS_OFFLINE": "0",
            "HF_HOME": str(home / "hf"),
            "HF_HUB_CACHE": str(home / "hf" / "hub"),
            "HF_DATASETS_CACHE": str(home / "hf" / "datasets"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_TOKEN": "hf_stand_in",
            "NO_PROXY": "127.0.0.1",
            "FTCOURSE_CACHE": str(home / "cache"),
        }

    def files(self, kind, repo, revision):
        "{path: bytes} of a revision, and its commit; None where there is none."
        revisions = self.repos.get((kind, repo))
        if revisions is None:
            return None
        for name, folder in revisions.items():
            found = folder if isinstance(folder, dict) else contents(folder)
            commit = hashlib.sha1(json.dumps([name, {k: sha1(v) for k, v in found.items()}]).encode()).hexdigest()
            if revision in (name, commit):
                return found, commit
        return {}, None

    def commit(self, kind, repo, revision="main"):
        return self.files(kind, repo, revision)[1]


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def send(self, code, body=b"", **headers):
        body = json.dumps(body).encode() if not isinstance(body, bytes) else body
        self.send_response(code)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def missing(self, what):
        return self.send(404, {"error": what}, X_Error_Code=what, X_Error_Message=what)

    def asked(self):
        "(path, body) of a request, which is written down."
        path = unquote(urlparse(self.path).path)
        self.home.asked.append((self.command, path))
        return path, self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def do_GET(self):
        path, _ = self.asked()
        if m := re.fullmatch(r"/(?:(datasets)/)?([\w.-]+/[\w.-]+)/resolve/([^/]+)/(.+)", path):
            return self.file(m[1] or "models", m[2], m[3], m[4])
        if m := re.fullmatch(r"/api/(models|datasets)/([\w.-]+/[\w.-]+)(?:/revision/([^/]+))?", path):
            return self.info(m[1], m[2], m[3] or "main")
        if m := re.fullmatch(r"/api/(models|datasets)/([\w.-]+/[\w.-]+)/tree/([^/]+)(?:/(.+))?", path):
            return self.tree(m[1], m[2], m[3], m[4] or "")
        if path == "/api/whoami-v2":
            return self.send(200, {"type": "user", "name": "someone", "orgs": []})
        return self.missing("EntryNotFound")

    do_HEAD = do_GET

    def revision(self, kind, repo, revision):
        found = self.home.files(kind, repo, revision)
        if found is None:
            self.missing("RepoNotFound")
            return None
        if found[1] is None:
            self.missing("RevisionNotFound")
            return None
        return found

    def file(self, kind, repo, revision, path):
        if (found := self.revision(kind, repo, revision)) is None:
            return None
        files, commit = found
        if path not in files:
            return self.missing("EntryNotFound")
        data = files[path]
        headers = {"X_Repo_Commit": commit, "ETag": f'"{sha1(data)}"', "Accept_Ranges": "bytes"}
        if path in self.home.broken and self.command == "GET":
            self.send_response(200)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2])
            self.close_connection = True
            return None
        if (m := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))) and self.command == "GET":
            low, high = int(m[1]), min(int(m[2] or len(data) - 1), len(data) - 1)
            return self.send(206, data[low : high + 1], Content_Range=f"bytes {low}-{high}/{len(data)}", **headers)
        return self.send(200, data, **headers)

    def info(self, kind, repo, revision):
        if (found := self.revision(kind, repo, revision)) is None:
            return None
        files, commit = found
        return self.send(
            200,
            {
                "id": repo,
                "sha": commit,
                "private": False,
                "gated": False,
                "disabled": False,
                "tags": [],
                "downloads": 0,
                "likes": 0,
                "lastModified": "2026-01-01T00:00:00.000Z",
                "createdAt": "2026-01-01T00:00:00.000Z",
                "siblings": [{"rfilename": p} for p in files],
                "cardData": {},
            },
        )

    def tree(self, kind, repo, revision, below):
        if (found := self.revision(kind, repo, revision)) is None:
            return None
        files = {p: d for p, d in found[0].items() if not below or p.startswith(below + "/")}
        if below and not files:
            return self.missing("EntryNotFound")
        folders = sorted({"/".join(p.split("/")[:i]) for p in files for i in range(1, p.count("/") + 1)})
        return self.send(
            200,
            [{"type": "directory", "path": f, "oid": "0" * 40, "size": 0} for f in folders]
            + [{"type": "file", "path": p, "oid": sha1(d), "size": len(d)} for p, d in files.items()],
        )

    def do_POST(self):
        path, body = self.asked()
        if m := re.fullmatch(r"/api/(models|datasets)/([\w.-]+/[\w.-]+)/paths-info/([^/]+)", path):
            if (found := self.revision(*m.groups())) is None:
                return None
            files, _ = found
            wanted = json.loads(body)["paths"] if body[:1] == b"{" else parse_qs(body.decode())["paths"]
            known = [p for p in wanted if p in files]
            said = [{"type": "file", "path": p, "oid": sha1(files[p]), "size": len(files[p])} for p in known]
            return self.send(200, said)
        if path == "/api/validate-yaml":
            return self.send(200, {"errors": [], "warnings": []})
        if path == "/api/repos/create":
            asked = json.loads(body)
            repo = f"{asked.get('organization') or 'someone'}/{asked['name']}"
            self.home.repos.setdefault((asked.get("type", "model") + "s", repo), {"main": {}})
            return self.send(200, {"url": f"{self.home.endpoint}/{repo}", "name": repo})
        if m := re.fullmatch(r"/api/(models|datasets)/([\w.-]+/[\w.-]+)/preupload/([^/]+)", path):
            files = []
            for path in (f["path"] for f in json.loads(body)["files"]):
                mode = "lfs" if path.endswith(".safetensors") else "regular"
                files.append({"path": path, "uploadMode": mode, "shouldIgnore": False})
            return self.send(200, {"files": files})
        if re.fullmatch(r"/(?:datasets/)?[\w.-]+/[\w.-]+\.git/info/lfs/objects/batch", path):
            objects = json.loads(body)["objects"]
            for o in objects:
                o["actions"] = {"upload": {"href": f"{self.home.endpoint}/lfs/{o['oid']}"}}
            return self.send(200, {"transfer": "basic", "objects": objects})
        if m := re.fullmatch(r"/api/(models|datasets)/([\w.-]+/[\w.-]+)/commit/([^/]+)", path):
            return self.commit(*m.groups(), body)
        return self.missing("EntryNotFound")

    def commit(self, kind, repo, revision, body):
        files = dict(self.home.files(kind, repo, revision)[0])
        for line in map(json.loads, body.decode().splitlines()):
            if line["key"] == "file":
                files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            if line["key"] == "lfsFile":
                files[line["value"]["path"]] = self.home.large[line["value"]["oid"]]
        self.home.repos[kind, repo][revision] = files
        return self.send(
            200,
            {
                "commitUrl": f"{self.home.endpoint}/{repo}/commit/{self.home.commit(kind, repo, revision)}",
                "commitOid": self.home.commit(kind, repo, revision),
                "success": True,
            },
        )

    def do_PUT(self):
        path, body = self.asked()
        if not (m := re.fullmatch(r"/lfs/([0-9a-f]{64})", path)) or hashlib.sha256(body).hexdigest() != m[1]:
            return self.missing("EntryNotFound")
        self.home.large[m[1]] = body
        return self.send(200)
