"""The command of a benchmark that makes runs with several seeds on data sets, a row of a CSV file per run."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from jobs import minilm
from results import Results, Row


def parser_for(description: str, choices: Iterable[str]) -> ArgumentParser:
    """Give a parser of what all of them take.

    Args:
        description: what the command does.
        choices: what `--only` may name.
    """
    parser = ArgumentParser(description=description)
    parser.add_argument("--data", type=Path, help="directory with a directory per data set")
    parser.add_argument("--out", type=Path, help="CSV file, a row per run; runs that are in it are skipped")
    parser.add_argument("--model", type=Path, default=None, help="directory of a body (default: MiniLM)")
    parser.add_argument("--only", nargs="+", choices=choices, help="these alone")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each (%(default)s)")
    parser.add_argument("--table", action="store_true", help="print the table of --out, and run nothing")
    return parser


def run(
    parser: ArgumentParser,
    arguments: Sequence[str] | None,
    key: Sequence[str],
    run_missing: Callable[[Namespace, Results], None],
    table: Callable[[Sequence[Row]], str],
) -> None:
    """Make the runs that are missing, unless the table alone is asked for, and print the table.

    Args:
        parser: from `parser_for`, with what the command takes beyond that.
        arguments: of the command; None: those of the process.
        key: the columns that tell a run from another.
        run_missing: makes the runs that are not in the results.
        table: lays the rows out.
    """
    given = parser.parse_args(arguments)
    given.model = given.model or minilm()
    results = Results(given.out, key)
    if not given.table:
        if given.data is None or given.model is None:
            parser.error("--data and --model name where data and a body are")
        run_missing(given, results)
    print(table(results.rows))
