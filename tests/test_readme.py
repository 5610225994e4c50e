"""What the README says is true: its code runs, its commands run, its tables are those of the result files."""

import re
import runpy
import shlex
import sys
from pathlib import Path

import pytest

import lookalikes
from convolens.cli import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language):
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)
    return [text for name, text in fenced if name == language]


def test_the_python_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    [code] = blocks("python")
    exec(compile(code.replace("epochs=10", "epochs=1, verbose=0"), "README.md", "exec"), {})
    assert (tmp_path / "page.html").stat().st_size > 10_000
    assert (tmp_path / "digits.keras").exists()


def commands():
    lines = [line.split("#")[0].strip() for block in blocks("") for line in block.splitlines()]
    found = [line for line in lines if line.startswith("convolens ")]
    assert len(found) >= 10
    return found


def test_every_command_is_in_the_help():
    from convolens.cli import COMMANDS

    assert {line.split()[1] for line in commands()} <= set(COMMANDS)


@pytest.mark.slow
def test_the_commands_run(tmp_path, monkeypatch, capsys):
    data = tmp_path / "data"
    lookalikes.write_idx(data / "mnist")
    lookalikes.write_course_pair(data / "signs", "signs", 6)
    monkeypatch.setenv("CONVOLENS_DATA", str(data))
    monkeypatch.chdir(tmp_path)
    right = sorted((ROOT / "tests" / "checking" / "right").glob("*.py"))[0]
    (tmp_path / "my_functions.py").write_text(right.read_text())
    for line in commands():
        words = shlex.split(line)[1:]
        code = main(words)
        printed = capsys.readouterr()
        assert code == 0, f"{line}\n{printed.out}\n{printed.err}"


def test_the_tables_are_those_of_the_result_files(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["readme.py", "--check"])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(ROOT / "benchmarks" / "readme.py"), run_name="__main__")
    assert stopped.value.code == 0, "run benchmarks/readme.py"


def test_files_it_names_exist():
    names = re.findall(r"\]\(([^)#:]+)\)", README) + re.findall(
        r"`((?:docs|examples|notebooks|benchmarks)/[\w./]*)`", README
    )
    assert names
    for name in names:
        assert (ROOT / name).exists(), name
