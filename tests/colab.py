"""A stand-in for a Colab machine, for tests/test_colab_machine.py: the versions of its image, its `google.colab`, its
Drive, no browser.

The versions are those of Colab's image of August 2026, as far as the index serves them. torch is this environment's own
(Colab's is built for CUDA), and so is everything that is not listed: a .pth file lets the stand-in see it.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from tools.export import one_at_a_time

ROOT = Path(__file__).resolve().parent.parent
PLACE = Path(sys.prefix) / "colab"  # inside .venv: ignored by git, removed by `make clean`
IMAGE = [
    "transformers==5.15.1",
    "datasets==4.0.0",
    "accelerate==1.14.0",
    "numpy==2.1.3",
    "ipywidgets==7.7.1",
    "ipython==7.34.0",
    "ipykernel==6.17.1",
]
BESIDE = [  # what those need in versions older than ours, and other old parts of the image
    "huggingface_hub<2",
    "tokenizers==0.22.*",
    "fsspec==2025.3.0",
    "dill==0.3.8",
    "multiprocess==0.70.16",
    "pandas==2.2.*",
    "pyarrow<19",
    "matplotlib==3.10.*",
    "ipython-genutils==0.2.0",
    "widgetsnbextension~=3.6.0",
    "decorator",
    "pickleshare",
    "backcall",
    "nest-asyncio",
    "pytz",
    "setuptools==80.*",
]
WIDGETS = ["ipywidgets==7.7.1", "ipython-genutils==0.2.0", "widgetsnbextension~=3.6.0"]
DRIVE = '''"Stand-in: a folder instead of Google Drive; writes down each mount."
import os
from pathlib import Path
def mount(point, **how):
    Path(point, "MyDrive").mkdir(parents=True, exist_ok=True)
    with open(os.environ["COLAB_MOUNTS"], "a") as f: f.write(f"{point}\\n")
'''
# on Colab, too, it is imported before the first cell
KERNEL = "import google.colab; from ipykernel.kernelapp import launch_new_instance; launch_new_instance()"


class Unavailable(Exception):
    "The index does not serve what the stand-in needs; the message says what pip said."


def pip(python, *args):
    done = subprocess.run(
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", *args],
        capture_output=True,
        text=True,
        timeout=500,
    )
    if done.returncode:
        raise Unavailable(done.stderr.strip()[-400:])


def once(folder, make, *what):
    "A folder that is made whole or not at all, and made anew when what it is made of has changed."
    stamp, wanted = folder / ".made-of", repr(what)
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        make(folder)
        stamp.write_text(wanted)
    return folder


def widgets_771():
    "A folder with ipywidgets 7.7.1, to stand before everything else on the path."
    return once(
        Path(sys.prefix) / "ipywidgets-7.7.1",
        lambda folder: pip(sys.executable, "--target", str(folder), *WIDGETS),
        WIDGETS,
    )


def image():
    "The stand-in's Python."

    def make(folder):
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        python = folder / "bin" / "python"
        pip(python, *IMAGE, *BESIDE)
        where = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
        packages = Path(subprocess.run(where, capture_output=True, text=True, check=True).stdout.strip())
        # a path only: our editable ftcourse is not seen through it
        (packages / "zz_ours.pth").write_text(sysconfig.get_path("purelib") + "\n")
        (packages / "google" / "colab").mkdir(parents=True)
        (packages / "google" / "colab" / "__init__.py").write_text('"Stand-in."\n')
        (packages / "google" / "colab" / "drive.py").write_text(DRIVE)

    return once(PLACE, make, IMAGE, BESIDE, DRIVE, sys.version) / "bin" / "python"


def repository(folder, branch):
    "A git repository that holds the working tree as it is now: what a push would put on the hosted address."
    files = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    with one_at_a_time():  # not in the middle of an export
        for name in filter(None, files):
            if not (ROOT / name).is_file():
                continue
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name, follow_symlinks=False)
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@localhost", "-c", f"init.defaultBranch={branch}"]
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "-m", "as it is"]):
        subprocess.run([*git, *command], cwd=folder, check=True)
    return folder


class Session:
    "One visit to Colab: a fresh machine whose Drive is what an earlier visit left there."

    def __init__(self, folder, url, branch):
        self.folder, self.python = folder, image()
        for name in ("content", "home", "drive"):
            (folder / name).mkdir(exist_ok=True)
        hosted = folder / "hosted"
        if not hosted.exists():
            repository(hosted, branch)
        kernels = folder / "share" / "kernels" / "colab"
        kernels.mkdir(parents=True, exist_ok=True)
        argv = [str(self.python), "-c", KERNEL, "-f", "{connection_file}"]
        spec = {"argv": argv, "display_name": "Colab", "language": "python"}
        (kernels / "kernel.json").write_text(json.dumps(spec))
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("FTCOURSE_", "PYTEST_"))} | {
            "COLAB_MOUNTS": str(folder / "mounts"),
            "FTCOURSE_DRIVE": str(folder / "drive"),
            "HF_HUB_OFFLINE": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "OMP_NUM_THREADS": "1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.{hosted}.insteadOf",
            "GIT_CONFIG_VALUE_0": url,
            "FTCOURSE_CACHE": str(folder / "home" / "cache"),
            "PYTHONPATH": "",
        }
        # a fresh machine has no course
        uninstall = [str(self.python), "-m", "pip", "uninstall", "--quiet", "--yes", "ftcourse"]
        subprocess.run(uninstall, capture_output=True, check=False)

    def run(self, nb, timeout=300):
        "Run every cell of a notebook, as Run All does; raises what a cell raises. Returns what was printed."
        from jupyter_client.kernelspec import KernelSpecManager
        from jupyter_client.manager import AsyncKernelManager
        from nbclient import NotebookClient

        specs = KernelSpecManager(kernel_dirs=[str(self.folder / "share" / "kernels")])
        client = NotebookClient(
            nb,
            km=AsyncKernelManager(kernel_name="colab", kernel_spec_manager=specs),
            timeout=timeout,
            resources={"metadata": {"path": str(self.folder / "content")}},
        )
        client.execute(cleanup_kc=True, env=self.env)  # the machine is given back
        return "".join(o.get("text", "") for c in nb.cells if c.cell_type == "code" for o in c.outputs)
