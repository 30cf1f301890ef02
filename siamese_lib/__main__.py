"""`python -m siamese_lib`: run rows of a table, rebuild tables and figures, publish records, look at the data."""

import argparse
import json
import os
import sys

from siamese_lib.errors import InputError
from siamese_lib.experiments.config import (
    BATCHES,
    PROFILES,
    PROTOCOLS,
    ROWS,
    SEEDS,
    TABLES,
    make_config,
    rows_of,
)


def main(arguments: list[str] | None = None) -> int:
    """Parse and run; bad input prints one line and gives 2, an interrupt 130."""
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from the last checkpoint", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m siamese_lib", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="train and evaluate rows of a table")
    run.add_argument("table", help=f"one of {', '.join(TABLES)}")
    rows = f"how classes are mined ({', '.join(ROWS)}), with contrastive/ or triplet/ in front for another loss; in table2 always with the loss"
    run.add_argument("--row", nargs="+", help=f"{rows}. Default: the paper's")
    run.add_argument("--batch", help=f"one of {', '.join(BATCHES)}; default the profile's")
    run.add_argument(
        "--profile",
        default=os.environ.get("SIAMESE_PROFILE", "quick"),
        help=f"one of {', '.join(PROFILES)}; default SIAMESE_PROFILE or quick",
    )
    run.add_argument("--seed", nargs="+", type=int, help="default: as many as the profile asks for, from 0")
    run.add_argument("--device", help="cpu or cuda; default CUDA where there is one")
    run.add_argument(
        "--evaluate",
        nargs="+",
        metavar="SET",
        help="test sets; default all of the table: phd08-sim, phd08; in table4 drawers, and of another network alphabets, verification, one-shot",
    )
    run.add_argument(
        "--variants", type=int, help="PHD08 variants a font of the simulated test set; default the profile's"
    )
    run.set_defaults(command=_run)
    tables = commands.add_parser(
        "tables", help="rebuild the tables of results/ and README.md from the published records"
    )
    tables.set_defaults(command=_tables)
    figures = commands.add_parser("figures", help="redraw results/figures/ from the published records")
    figures.set_defaults(command=_figures)
    publish = commands.add_parser("publish", help="copy the records of working runs into results/")
    publish.add_argument("run", nargs="+", help="run ids, or beginnings of them")
    publish.set_defaults(command=_publish)
    data = commands.add_parser("data", help="what data and fonts are found, with counts and fingerprints")
    data.add_argument(
        "--pack",
        metavar="DIR",
        help="also fill DIR with all that a machine without fonts needs; use it there as SIAMESE_CACHE",
    )
    data.set_defaults(command=_data)
    return parser


def _run(options: argparse.Namespace) -> None:
    from siamese_lib.experiments.run import run_one

    changes = {} if options.variants is None else {"variants": options.variants}
    if options.table not in TABLES:
        raise InputError(f"table={options.table!r} is unknown; choose one of {', '.join(TABLES)}")
    rows = options.row or rows_of(
        options.table, options.batch or PROFILES.get(options.profile, {}).get("batch", "pooled")
    )
    seeds = range(SEEDS.get(options.profile, 1)) if options.seed is None else options.seed
    first = os.environ.get("RANK", "0") == "0"  # of several processes under torchrun one speaks
    not_run = {}
    for protocol, sets in _networks(options.table, options.evaluate):
        of = changes | ({"protocol": protocol} if protocol else {})
        for config in [make_config(options.table, row, options.profile, options.batch, **of) for row in rows]:
            for seed in seeds:
                record = run_one(config, seed, options.device, sets).record
                not_run |= record["not_run"]
                results = "  ".join(
                    f"{name} {result['accuracy']:.2f} %" for name, result in record["evaluations"].items()
                )
                if first:
                    print(
                        f"{record['id']}  {config.row}  seed {seed}  {record['totals']['seconds']:.0f} s  {results}",
                        flush=True,
                    )
    for name, reason in not_run.items() if first else ():
        print(f"not evaluated on {name}: {reason}")


def _networks(table: str, wanted: list[str] | None) -> list[tuple[str, list[str]]]:
    """Protocols that a table's test sets need, each with those of its sets that are wanted (None: all); another network is trained for each."""
    from siamese_lib.experiments.tasks import SETS

    protocols = list(PROTOCOLS) if TABLES.get(table, {}).get("protocol") else [""]
    known = [name for protocol in protocols for name in SETS[protocol]]
    if unknown := sorted(set(wanted or ()) - set(known)):
        raise InputError(f"evaluation set {', '.join(unknown)} is unknown; choose of {', '.join(known)}")
    chosen = [
        (protocol, [name for name in SETS[protocol] if wanted is None or name in wanted])
        for protocol in protocols
    ]
    return [(protocol, sets) for protocol, sets in chosen if sets]


def _tables(options: argparse.Namespace) -> None:
    from siamese_lib.report.tables import write_tables

    print("\n".join(write_tables()))


def _figures(options: argparse.Namespace) -> None:
    from siamese_lib.experiments.records import published_arrays, published_records
    from siamese_lib.files import results_folder
    from siamese_lib.report.figures import write_figures

    records = published_records()
    print("\n".join(write_figures(results_folder() / "figures", records, published_arrays(records))))


def _publish(options: argparse.Namespace) -> None:
    from siamese_lib.experiments.records import publish

    for identifier in options.run:
        print(publish(identifier))


def _data(options: argparse.Namespace) -> None:
    from siamese_lib.data.inventory import inventory, pack

    if options.pack:
        print("\n".join(pack(options.pack)))
    print(json.dumps(inventory(), indent=1, ensure_ascii=False))


if __name__ == "__main__":
    sys.exit(main())
