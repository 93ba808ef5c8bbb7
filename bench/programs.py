"""Runs rapt_bench and torch_bench and describes the machine: what compare and sweep share."""

import argparse
import datetime
import glob
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = ["tiny", "small", "medium", "gpt2", "gpt2-tied", "long"]
# Some seconds of steps for each config, and enough before them to fill every pool of memory.
STEPS = {"tiny": 100, "small": 40, "medium": 8, "gpt2": 3, "gpt2-tied": 3, "long": 10}
WARMUP = {"gpt2": 1, "gpt2-tied": 1}


class Program:
    """One side of a comparison: a program, and flags that are always given to it."""

    def __init__(self, name, command, flags=()):
        self.name, self.command, self.flags = name, list(command), list(flags)

    def run(self, config, threads, steps=None, extra=()):
        """What the program reports, as a dict. `config` is one of CONFIGS. Exits if it fails."""
        command = [*self.command, "train", "--json", "--threads", str(threads)]
        command += ["--config", config.removesuffix("-tied")]
        command += ["--tied-head"] if config.endswith("-tied") else []
        command += ["--steps", str(steps or STEPS[config])]
        command += ["--warmup", str(WARMUP.get(config, 3)), *self.flags, *extra]
        done = subprocess.run(command, env=environment(threads), text=True, capture_output=True)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)}: exit status {done.returncode}\n{done.stderr.strip()}")
        return json.loads(done.stdout)

    def offers_fused(self):
        """Whether it knows fused attention: one built on an old libtorch refuses the flag."""
        command = [*self.command, "train", "--config", "tiny", "--steps", "1", "--fused"]
        return subprocess.run(command, env=environment(1), capture_output=True).returncode == 0


def rapt(build):
    return Program("rapt", [existing(build, "rapt_bench")])


def libtorch(build, others=()):
    """libtorch in each way that has its advantage: gradients dropped when that is fastest, and when
    it takes the least memory; with its fused attention where it has that, and where it has not, an
    old one, also with zero_grad() as it comes there. `others`: command lines of torch_bench
    elsewhere, instead of the one in the build folder."""
    commands = [shlex.split(other) for other in others] or [[existing(build, "torch_bench")]]
    return [side for command in commands for side in sides_of(command)]


def sides_of(command):
    plain = Program("libtorch", command)
    if plain.offers_fused():
        return [plain, Program("libtorch fused", command, ["--fused"]),
                Program("libtorch fused, dropped first", command,
                        ["--fused", "--gradients", "dropped-first"])]
    return [plain, Program("libtorch zeroed", command, ["--gradients", "zeroed"]),
            Program("libtorch dropped first", command, ["--gradients", "dropped-first"])]


def existing(build, name):
    path = Path(build) / "bench" / name
    if not path.is_file():
        sys.exit(f"{path}: wanted a program; found none. bench/README.md says how to build it.")
    return str(path)


def openmp_blas():
    """The folder of OpenBLAS's OpenMP build (Debian: libopenblas0-openmp), or None."""
    found = sorted(glob.glob("/usr/lib/*/openblas-openmp/libopenblas.so.0"))
    return os.path.dirname(found[0]) if found else None


def environment(threads):
    """libtorch runs loops of its own in OpenMP: with another build of OpenBLAS it has two sets of
    threads and takes up to twice as long. Both sides get the same one. And the number of threads
    that libtorch is told does not reach the OpenMP loops of its backward passes, which took part of
    a second core where one was asked for; the variable does."""
    env = dict(os.environ, OMP_NUM_THREADS=str(threads))
    if openmp_blas():
        env["LD_LIBRARY_PATH"] = ":".join(filter(None, [openmp_blas(), env.get("LD_LIBRARY_PATH")]))
    return env


def blas_settings():
    """Of this environment, those that OpenBLAS reads, as text."""
    return " ".join(f"{k}={v}" for k, v in sorted(os.environ.items()) if k.startswith("OPENBLAS_"))


def warn_if_unfair():
    if blas_settings():
        print(f"warning: {blas_settings()} is set; what OpenBLAS itself chooses may be twice as fast, "
              "and most of libtorch's time is OpenBLAS's", file=sys.stderr)
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"warning: the machine is busy (load average {load:.1f}); times will be wrong, "
              "those of OpenMP programs most of all", file=sys.stderr)


def description():
    """Where and how this was measured, as (name, value) pairs."""
    with open("/proc/cpuinfo") as file:
        models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    commit = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], text=True,
                            capture_output=True).stdout.strip()
    blas = openmp_blas()
    return {
        "processor": f"{models[0] if models else 'unknown'}, {len(os.sched_getaffinity(0))} cores",
        "date": datetime.date.today().isoformat(),
        "commit": commit or "unknown",
        "OpenBLAS": f"the OpenMP build, LD_LIBRARY_PATH={blas}" if blas else
                    "the system's default; its OpenMP build, which libtorch needs to be at its "
                    "best, is not installed (scripts/install.sh --bench)",
        "its settings in the environment": blas_settings() or "none",
        "load average at the start": f"{os.getloadavg()[0]:.1f}",
        "command": " ".join(["bench/" + Path(sys.argv[0]).name, *sys.argv[1:]]),
    }


def print_description(described):
    print("\n".join(f"- {name}: {value}" for name, value in described.items()), end="\n\n")


def print_row(cells):
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def print_head(names):
    print_row(names)
    print("|" + "---|" * len(names), flush=True)


def middle(reports, key):
    """The median of one key of several reports."""
    return median(report[key] for report in reports)


def short(x):
    """Three digits or more, never an exponent."""
    return f"{x:.0f}" if abs(x) >= 100 else f"{x:.1f}" if abs(x) >= 10 else f"{x:.2f}"


def progress(text):
    print(text, file=sys.stderr, flush=True)


def add_common_flags(parser):
    parser.add_argument("--build", type=Path, default=ROOT / "build/release",
                        help="the build folder (default: build/release)")
    parser.add_argument("--torch", action="append", default=[], metavar="COMMAND",
                        help="a torch_bench elsewhere, which takes the place of the build folder's: "
                             "its path, or what runs it, such as 'chroot /debian13 /build/bench/"
                             "torch_bench'; may be given several times")
    parser.add_argument("--steps", type=at_least_1, help="timed in each run (default: by config)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every report there too")


def at_least_1(text):
    """The number of a flag; argparse prints the error."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"wanted a whole number >= 1; got {text}")
    return int(text)


def write_json(path, described, reports):
    path.write_text(json.dumps({"description": described, "reports": reports}, indent=1) + "\n")
