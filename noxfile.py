"""The checks of the project, as sessions.

``nox`` alone runs ``tests``, ``lint`` and ``types``.
"""

import os
import shutil
import subprocess
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.sessions = ["tests", "lint", "types"]
nox.options.reuse_venv = "yes"

PROJECT = nox.project.load_toml("pyproject.toml")
WORKERS = "3"
"""Processes that share the tests.

One more than two cores have, as a third of the time is spent waiting.
"""
ON_AIOHTTP = ("tests/transport", "tests/outcomes")


def group(name: str) -> list[str]:
    """Return the packages of a dependency group."""
    return nox.project.dependency_groups(PROJECT, name)


def interpreters() -> list[str]:
    """Return the supported Pythons that the machine has.

    On the path, or among pyenv's versions, whose shims may not work.
    """
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = []
    for version in ("3.11", "3.12", "3.13"):
        candidates = [shutil.which(f"python{version}"), *pyenv.glob(f"{version}.*/bin/python{version}")]
        working = [str(each) for each in candidates if each is not None and works(str(each))]
        found += working[:1]
    return found


def works(python: str) -> bool:
    """Return True if it is more than a name."""
    return subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0


def install(session: nox.Session, *options: str) -> None:
    """Install the package and what tests it."""
    session.install("-q", ".[all]", *group("tests"), *group("frameworks"), *options)


def install_programs(session: nox.Session) -> None:
    """Install Chromium and PgBouncer where their tests must not skip.

    From the system's packages, as root; elsewhere the tests find what there is, or skip.
    """
    browsers = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    # Debian keeps the pooler where only root looks.
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])
    wanted = [] if any(map(shutil.which, browsers)) else ["chromium"]
    wanted += [] if shutil.which("pgbouncer", path=path) else ["pgbouncer"]
    required = os.environ.get("TILIA_REQUIRE_SERVICES") == "1"
    if wanted and required and shutil.which("apt-get") is not None and os.geteuid() == 0:
        for command in (["update"], ["install", "-y", "--no-install-recommends", *wanted]):
            session.run("apt-get", "-qq", *command, external=True, silent=True)


def run_tests(session: nox.Session, *arguments: str, env: dict[str, str] | None = None) -> None:
    """Test the package as it is installed.

    Not the working tree: ``pytest`` alone leaves that off the path.
    """
    install(session)
    install_programs(session)
    session.run("pytest", "-n", WORKERS, *arguments, *session.posargs, env=env)


def test_ways(session: nox.Session) -> None:
    """Test a request's two ways, each alone.

    What is told of them runs whole on each: the rest of the suite takes the direct one.
    """
    session.run("pytest", "-n", WORKERS, "-m", "not nightly", *ON_AIOHTTP, env={"TILIA_TEST_BY_SESSION": "1"})


@nox.session
def tests(session: nox.Session) -> None:
    """Run the test suite."""
    run_tests(session, "-m", "not nightly")


@nox.session(python=interpreters())
def tests_all(session: nox.Session) -> None:
    """Run the test suite on each supported Python.

    Each that the machine has.
    """
    run_tests(session, "-m", "not nightly")


@nox.session
def tests_lowest(session: nox.Session) -> None:
    """Run the test suite on the lowest versions.

    Of all that the package and its extras need.
    """
    session.install("-q", "uv")
    lowest = str(Path(session.create_tmp()).resolve() / "lowest.txt")
    options = ("--all-extras", "--no-deps", "--resolution", "lowest-direct")
    session.run("uv", "pip", "compile", "-q", "pyproject.toml", *options, "-o", lowest)
    install(session, "--constraint", lowest)
    install_programs(session)
    session.run("pytest", "-n", WORKERS, "-m", "not nightly", *session.posargs)
    test_ways(session)


@nox.session
def tests_newest(session: nox.Session) -> None:
    """Test with aiohttp's newest release.

    What touches aiohttp, on its newest release or the one to come, and with the names that it will have in 4.
    """
    install(session)
    session.install("-q", "--upgrade", "--pre", "aiohttp")
    session.run("pytest", "-n", WORKERS, "-m", "not nightly", *ON_AIOHTTP, *session.posargs)
    test_ways(session)
    renamed = {"PYTHONPATH": "tests", "TILIA_TEST_AIOHTTP": "four"}
    session.run("pytest", "-n", WORKERS, "-m", "not nightly", "-p", "support.renamed_aiohttp", *ON_AIOHTTP, env=renamed)


def source_date(session: nox.Session) -> str:
    """Return the time that the files of a distribution bear.

    Seconds since 1970: ``SOURCE_DATE_EPOCH`` if it is set, else the last commit's time; without git, hatchling's own.
    """
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given is None and Path(".git").exists():
        given = session.run("git", "log", "-1", "--format=%ct", external=True, silent=True, log=False)
    return str(given or 1580601600).strip()


def built(session: nox.Session, folder: Path, age: int, umask: int) -> dict[str, Path]:
    """Build the sdist and the wheel from a copy.

    Args:
        age: seconds since 1970; when each file of the copy was written, as its file system tells it.
        umask: the rights that nobody has to the copy.

    Returns:
        The files by their names.
    """
    copy, target = folder / f"tree-{age}", folder / f"built-{age}"
    ignored = [line.rstrip("/") for line in Path(".gitignore").read_text().splitlines()]
    shutil.copytree(".", copy, ignore=shutil.ignore_patterns(".git", *ignored))
    for each in copy.rglob("*"):
        each.chmod(each.stat().st_mode & ~umask)
        os.utime(each, (age, age))
    env = {"SOURCE_DATE_EPOCH": source_date(session), "PYTHONHASHSEED": str(age)}
    session.run("python", "-m", "build", "--outdir", str(target), str(copy), env=env, silent=True)
    return {each.name: each for each in target.iterdir()}


def install_alone(session: nox.Session, folder: Path, requirement: str) -> str:
    """Install into a new environment, and return its Python.

    Nothing else is there, not even pip.
    """
    session.run("python", "-m", "venv", "--without-pip", str(folder), silent=True)
    python = str(folder / ("Scripts" if os.name == "nt" else "bin") / "python")
    session.run("python", "-m", "pip", "--python", python, "install", "-q", requirement)
    return python


def write_bill_of_materials(session: nox.Session, python: str, version: str, target: Path) -> None:
    """Write what an environment holds, as CycloneDX.

    The package is what the bill is of, and everything else a component.
    """
    described = target.with_suffix(".toml")
    described.write_text(Path("pyproject.toml").read_text().replace('dynamic = ["version"]', f'version = "{version}"'))
    options = ("--pyproject", str(described), "--mc-type", "library", "--output-reproducible", "-o", str(target))
    session.run("cyclonedx-py", "environment", *options, python, env={"SOURCE_DATE_EPOCH": source_date(session)})
    described.unlink()


@nox.session
def distributions(session: nox.Session) -> None:
    """Test the sdist and the wheel for ``dist``.

    Another copy of the tree gives the same bytes. The sdist can test itself, and the wheel holds what it should, and
    runs where no extra is installed. What passed is left in ``dist``, with the bills of materials (CycloneDX) of the
    wheel alone and with all extras.
    """
    session.install("-q", "build", "check-wheel-contents", "cyclonedx-bom", "pip", "twine")
    folder = Path(session.create_tmp()).resolve()
    shutil.rmtree(folder, ignore_errors=True)
    first, second = built(session, folder, 1000000000, 0o002), built(session, folder, 1700000000, 0o077)
    if different := [name for name, each in first.items() if each.read_bytes() != second[name].read_bytes()]:
        session.error(f"not the same bytes when built again from another copy: {', '.join(different)}")
    (sdist,) = (each for each in first.values() if each.suffix == ".gz")
    (wheel,) = (each for each in first.values() if each.suffix == ".whl")
    name = sdist.name.removesuffix(".tar.gz")
    session.run("twine", "check", "--strict", str(sdist), str(wheel))
    session.run("check-wheel-contents", "--toplevel", "pytest_tilia,tilia_async,tilia_sync", str(wheel))
    python = install_alone(session, folder / "bare", str(wheel))
    session.run(python, "-W", "error", "-c", "import tilia_async, tilia_sync", external=True)
    session.run(python, "-W", "error", "tests/support/optional_features.py", "--none", external=True)
    with_extras = install_alone(session, folder / "all", f"tilia-sdk[all] @ {wheel.as_uri()}")
    bills = [folder / f"{name}.cdx.json", folder / f"{name}-all.cdx.json"]
    for each, target in zip((python, with_extras), bills, strict=True):
        write_bill_of_materials(session, each, name.partition("-")[2], target)
    session.install("-q", "--force-reinstall", "--no-deps", str(sdist))
    session.install("-q", f"tilia-sdk[all] @ {sdist.as_uri()}", *group("tests"), *group("frameworks"))
    shutil.unpack_archive(sdist, folder)
    with session.chdir(folder / name):
        session.run("pytest", "-q", "--collect-only", "tests", silent=True)
        session.run("pytest", "-n", WORKERS, "-m", "not nightly", "tests/project", *session.posargs)
    shutil.rmtree("dist", ignore_errors=True)
    Path("dist").mkdir()
    for each in (sdist, wheel, *bills):
        shutil.copy(each, "dist")


def run_slow_tests(session: nox.Session, env: dict[str, str] | None = None) -> None:
    """Run the slow proofs, which have five minutes each.

    Those that need longer say so, and many keep a core busy.
    """
    session.install("-q", *group("schemas"))
    run_tests(session, "-n", "2", "-m", "nightly", "--timeout", "300", env=env)


@nox.session
def nightly(session: nox.Session) -> None:
    """Run the slow proofs."""
    run_slow_tests(session)


@nox.session
def reliability(session: nox.Session) -> None:
    """Run the slow proofs, and write their counts.

    ``docs/reliability.md`` is made from what they count.
    """
    counts = Path(session.create_tmp()) / "counts.jsonl"
    counts.unlink(missing_ok=True)
    env = {"TILIA_COUNTS": str(counts.resolve())}
    run_slow_tests(session, env)
    quick = ("test_hostile_servers.py", "test_frames.py", "test_idle.py")
    session.run("pytest", *(f"tests/transport/{each}" for each in quick), env=env)
    session.run("python", "tools/reliability_page.py", str(counts))


@nox.session
def mutants(session: nox.Session) -> None:
    """Count how many mutants the tests notice.

    Mutants are small changes of the code that decides about money, blocks and tokens.

    A sample of 300, drawn with a seed; ``-- --sample 0`` tries all, which takes hours, ``-- wire.effect`` a module's.
    """
    session.install("-q", ".[all]", *group("tests"), *group("frameworks"), *group("mutants"))
    session.run("python", "tools/mutants.py", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Lint, format and the direction of imports."""
    session.install("-q", *group("lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


def interpreter_of(session: nox.Session) -> str:
    """Return the Python of the session's environment."""
    folder = "Scripts" if os.name == "nt" else "bin"
    return str(Path(session.virtualenv.location).resolve() / folder / "python")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types of both packages, strictly.

    Under both checkers; and each name that the wheel shows has its type written down.
    """
    session.install("-q", ".[all]", *group("types"))
    python = interpreter_of(session)
    session.run("mypy")
    session.run("mypy", "tests/typing")
    # The peers that are measured are not installed here.
    session.run("mypy", "-p", "benchmarks", "--ignore-missing-imports", "--no-warn-unused-ignores")
    session.run("pyright", "--pythonpath", python)
    # Elsewhere, so that the installed packages are looked at, and not the working tree.
    session.chdir(session.create_tmp())
    for package in ("pytest_tilia", "tilia_async", "tilia_sync"):
        session.run("pyright", "--pythonpath", python, "--verifytypes", package, "--ignoreexternal")


@nox.session
def types_more(session: nox.Session) -> None:
    """Check the public types with pyrefly and ty, too."""
    session.install("-q", ".[all]", *group("types_more"))
    python = interpreter_of(session)
    # Copied elsewhere, so that the installed packages are looked at, and not the working tree.
    folder = Path(session.create_tmp()).resolve() / "typing"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree("tests/typing", folder)
    session.chdir(folder)
    files = sorted(map(str, folder.glob("*.py")))
    session.run("pyrefly", "check", "--preset", "default", "--python-interpreter-path", python, *files)
    session.run("ty", "check", "--python", python, *files)


@nox.session
def api_changes(session: nox.Session) -> None:
    """Compare the public API with the last tag, by griffe."""
    session.install("-q", *group("api_changes"))
    session.run("python", "tools/api_changes.py", *session.posargs)


@nox.session
def mirror(session: nox.Session) -> None:
    """Write ``tilia_sync/api`` anew; with ``-- --check`` only compare."""
    session.install("-q", *group("lint"))
    session.run("python", "tools/mirror.py", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Write the generated pages anew.

    ``docs/coverage.md``, ``docs/errors.md``, ``docs/operations.md``, ``docs/openapi.json``, the snippets of
    ``tilia_sync`` and the pictures; with ``-- --check`` only compare.
    """
    session.install("-q", ".")
    session.run("python", "tools/coverage_page.py", *session.posargs)
    session.run("python", "tools/errors_page.py", *session.posargs)
    session.run("python", "tools/operations_page.py", *session.posargs)
    session.run("python", "tools/sync_snippets.py", *session.posargs)
    session.run("python", "tools/pictures.py", *session.posargs)


@nox.session
def site(session: nox.Session) -> None:
    """Build the site into ``build/site``.

    It works from the disk. A warning, of the site or of a docstring in the reference, and a dead link are errors.
    """
    session.install("-q", ".[all]", *group("docs"))
    output = session.run("zensical", "build", "--clean", "--strict", silent=True, env={"PYTHONPATH": "tools"})
    # Strictness is for pages and links; what griffe finds in docstrings is only printed.
    found = [line for line in str(output).splitlines() if line.startswith("griffe:")]
    if found:
        session.error("\n".join(found))


def install_for_benchmarks(session: nox.Session) -> None:
    """Install each peer by itself.

    One that has no build for this machine is left out, and the results say so.
    """
    peers = group("peers")
    session.install("-q", ".[all]", *(package for package in group("bench") if package not in peers))
    for peer in peers:
        # What niquests brings takes the place of urllib3, and so of what requests stands on, unless it is built so.
        options = ("--no-binary", "urllib3-future") if peer.startswith("niquests") else ()
        try:
            session.install("-q", *options, peer, env={"URLLIB3_NO_OVERRIDE": "1"})
        except nox.command.CommandFailed:
            session.warn(f"{peer} cannot be installed here: it takes no part")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure a call's cost, beside other clients.

    With ``-- --check`` fail where a budget is missed.
    """
    install_for_benchmarks(session)
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session
def instructions(session: nox.Session) -> None:
    """Count the instructions of a call.

    Where Valgrind is installed; repeatable on a busy machine.

    Writes ``benchmarks/instructions.md``; with ``-- --check`` fails where a call costs more than stands there.
    """
    session.install("-q", ".[all]", "requests", "rich")
    session.run("python", "-m", "benchmarks.instructions", *session.posargs)
