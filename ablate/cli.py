"""The `ablate` command: a subcommand, then Hydra overrides and flags."""

from __future__ import annotations

import importlib
import io
import os
import re
import sys
import tempfile
import traceback
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from ablate.errors import AblateError, nearest
from ablate.extras import missing_extra
from ablate.stopping import listen

if TYPE_CHECKING:
    from ablate.compose import Composer

BARE = re.compile(r"[\w./][\w./ -]*")
"""A word that is neither an override nor a flag: the name of a view, or its file."""
FLAGS = ("help", "hydra_help", "cfg", "info", "shell_completion")
"""Hydra flags that show something instead of running."""


def commands() -> list[str]:
    """Names of the subcommands: the modules of `ablate.commands`."""
    return sorted(path.stem for path in (Path(__file__).parent / "commands").glob("[!_]*.py"))


def _summary(name: str) -> str:
    source = (Path(__file__).parent / "commands" / f"{name}.py").read_text(encoding="utf-8")
    return source.removeprefix('"""').split("\n", 1)[0]


def usage() -> str:
    """What `ablate --help` prints."""
    lines = "\n".join(f"  {name:<9} {_summary(name)}" for name in commands())
    return (
        "ablate measures what each stage of a data-curation pipeline is worth.\n\n"
        f"usage: ablate COMMAND [OVERRIDES] [FLAGS]\n\n{lines}\n\n"
        "Overrides are Hydra's: study=demo stages.language.threshold=0.8 'seeds=[0,1]'\n"
        "  ablate COMMAND --help       what it does, groups and their choices, the whole configuration\n"
        "  ablate COMMAND --cfg job    the configuration it would use\n"
        "  ablate COMMAND --info       where each part of it comes from\n"
        '  eval "$(ablate -sc install=bash)"   completion in this shell (bash, zsh, fish)\n\n'
        "start here: ablate sweep study=demo"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; returns the exit status.

    Errors a user can mend are printed without a trace and give status 2; a sweep with failed runs
    gives 1; Ctrl-C and SIGUSR1 give 130, SIGTERM 143. Any other error is a fault of the program or the machine: one line, with the file that holds its trace,
    and status 3.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(
            stream, io.TextIOWrapper
        ):  # a terminal without the letters of a text must not end a command
            stream.reconfigure(errors="backslashreplace")
    argv = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if argv and argv[0] in ("-sc", "--shell-completion"):
            return _complete(argv)
        if not argv or argv[0] in ("-h", "--help"):
            print(usage())
            return 0
        if argv[0] == "--version":
            from ablate import __version__

            print(f"ablate {__version__}")
            return 0
        listen()
        command, rest = argv[0], argv[1:]
        if command not in commands():
            raise AblateError(f"unknown command {command!r}: {nearest(command, commands())}\n\n{usage()}")
        return _dispatch(command, rest)
    except AblateError as error:
        print(f"ablate: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        why = f" by {stop}" if str(stop) not in ("", "SIGINT") else ""
        print(f"\nablate: stopped{why}; the same command goes on from here", file=sys.stderr)
        return 143 if str(stop) == "SIGTERM" else 130
    except BrokenPipeError:  # `ablate ... | head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        if said := missing_extra(error):
            print(f"ablate: {said}", file=sys.stderr)
            return 2
        print(f"ablate: {_unexpected(error)}", file=sys.stderr)
        return 3


def _unexpected(error: Exception) -> str:
    """One line about an error that nobody has worded, and the file that holds its trace."""
    said = " ".join(str(error).split())[:300] or "no message"
    trace = "".join(traceback.format_exception(error))
    try:
        handle, name = tempfile.mkstemp(prefix="ablate-", suffix=".trace.txt")
        with open(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(trace)
    except OSError:
        return f"{type(error).__name__}: {said} (its trace could not be written)\n{trace}"
    what = "the machine says no" if isinstance(error, OSError) else "not expected"
    return f"{what}: {type(error).__name__}: {said}. What was finished is kept; the trace is in {name}"


def _dispatch(command: str, argv: list[str]) -> int:
    from omegaconf import OmegaConf, open_dict
    from omegaconf.errors import InterpolationToMissingValueError, MissingMandatoryValue

    from ablate.compose import compose, flags, open_hydra, overruled, unset
    from ablate.settings import check_places

    module, view, argv = _module(command, argv)
    args = flags().parse_args(argv)
    if args.multirun:
        raise AblateError("-m is not needed: `ablate sweep` runs every arm and seed of the plan")
    if args.config_name or args.config_path:
        raise AblateError(
            "--config-name and --config-path are not used; --config-dir adds a folder of your own configs"
        )
    hydra = open_hydra(args.config_dir)
    if any(getattr(args, flag) for flag in FLAGS):
        return _show(f"{command} {view}".rstrip(), module, args, hydra)
    config = compose([*args.overrides, *getattr(module, "OVERRIDES", ())], hydra)
    with open_dict(config):
        OmegaConf.set_struct(config, True)
    check_places(config)
    for note in overruled(args.overrides, config, hydra):
        print(f"ablate: {note}", file=sys.stderr)
    try:
        status: int = module.main(config)
    except (MissingMandatoryValue, InterpolationToMissingValueError) as error:
        raise unset(error, hydra) from error
    return status


def _module(command: str, argv: list[str]) -> tuple[ModuleType, str, list[str]]:
    """The module of a command, or of its view when it has views and the first word names one.

    A command that takes bare words (`as_overrides`) turns them into overrides.

    Returns:
        The module, the name of the view or "", and the arguments that are left.
    """
    module = importlib.import_module(f"ablate.commands.{command}")
    if hasattr(module, "view") and argv and BARE.fullmatch(argv[0]):
        return module.view(argv[0]), argv[0], argv[1:]
    if hasattr(module, "as_overrides"):
        argv = module.as_overrides(argv)
    return module, "", argv


def _show(command: str, module: ModuleType, args: Namespace, hydra: Composer) -> int:
    from hydra.types import RunMode

    from ablate.compose import compose, flags

    overrides = list(args.overrides)
    if args.cfg:
        compose(overrides, hydra)  # for its error messages
        hydra.show_cfg("config", overrides, args.cfg, args.package, args.resolve)
    elif args.info:
        compose(overrides, hydra)
        hydra.show_info(args.info, "config", overrides, run_mode=RunMode.RUN)
    elif args.shell_completion:
        hydra.shell_completion("config", overrides)
    elif args.hydra_help:
        hydra.hydra_help("config", flags(), args)
    else:
        print(_help(command, module, hydra))
    return 0


def _help(command: str, module: ModuleType, hydra: Composer) -> str:
    from ablate.compose import flags

    groups = hydra.format_config_groups(lambda name: not name.startswith("hydra"))
    return (
        f"ablate {command}: {(module.__doc__ or '').strip()}\n\n"
        f"== Groups (override with group=choice) ==\n{groups}\n"
        "== Keys (override with key=value; --cfg job prints them all with their values) ==\n"
        "study.name, study.dir   what the study is called and where it lies (studies/<name>)\n"
        "seeds=[0,1,2]           one run per arm and seed\n"
        "stages.<name>.enabled   switch a stage of the recipe; stages.<name>.<parameter> sets one\n"
        "recipe.order=[...]      the stages in another order\n"
        "design.factors=[...]    what is varied (default: every enabled stage, on against off)\n"
        "train.tokens=...        the budget of a run; proxy.<...> its model\n"
        "evaluate.snapshot=...   folder with the benchmarks' data\n"
        "workers=N, store=...    processes for curation; where shared artefacts are kept\n\n"
        f"== Flags ==\n{hydra.format_args_help(flags())}"
    )


def _complete(argv: list[str]) -> int:
    """Shell completion: the command's name first, then what Hydra offers for its overrides."""
    from hydra.core.global_hydra import GlobalHydra

    from ablate.compose import open_hydra

    line = os.environ.get("COMP_LINE", "")
    words = line.split()
    if len(argv) > 1 and argv[1].startswith("query="):
        if len(words) < 2 or (len(words) == 2 and not line.endswith(" ")):
            print(" ".join(commands()))
            return 0
        complete = words if line.endswith(" ") else words[:-1]
        first = 3 if len(complete) > 2 and BARE.fullmatch(complete[2]) else 2
        os.environ["COMP_LINE"] = " ".join([words[0], *words[first:]]) + (" " if line.endswith(" ") else "")
    hydra = open_hydra()
    hydra.shell_completion("config", argv[1:])
    GlobalHydra.instance().clear()
    return 0


if __name__ == "__main__":
    sys.exit(main())
