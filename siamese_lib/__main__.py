"""`python -m siamese_lib`: train rows of a table, run the notebooks, rebuild results, look at the data."""

import argparse
import io
import json
import os
import sys

from siamese_lib.errors import InputError
from siamese_lib.experiments.profiles import PROFILES
from siamese_lib.experiments.tables import BATCHES, MININGS, TABLES
from siamese_lib.experiments.test_sets import TEST_SETS


def main(arguments: list[str] | None = None) -> int:
    """Parse and run; bad input prints one line and gives 2, an interrupt 130."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # without UTF-8 Hangul is shown as \\uac00
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads our output (head, less) has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
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
    run.add_argument("table", help=f"one of {', '.join(TABLES)}, ablation")
    run.add_argument(
        "--row",
        nargs="+",
        help=f"how classes are mined ({', '.join(MININGS)}), with contrastive/ or triplet/ in front for "
        "another loss than the metric loss; in table2 the loss is always in front; of ablation: names of "
        "experiments.ablations.ABLATIONS. Default: the paper's rows (in profile best prototype/random), all "
        "ablations",
    )
    run.add_argument("--batch", help=f"one of {', '.join(BATCHES)}; default the profile's")
    run.add_argument(
        "--profile",
        help=f"one of {', '.join(PROFILES)}; default SIAMESE_PROFILE or quick; ablations have their own",
    )
    run.add_argument("--seed", nargs="+", type=int, help="default: as many as the profile asks for, from 0")
    run.add_argument("--device", help="cpu or cuda; default cuda where there is one")
    run.add_argument(
        "--evaluate",
        nargs="+",
        metavar="SET",
        help=f"test sets, of {', '.join(TEST_SETS)}; default all of the table",
    )
    run.add_argument(
        "--variants",
        type=int,
        help="simulated scans a syllable and typeface: 1, 3, 9, 27, 81 or 243; default the profile's",
    )
    run.add_argument("--jobs", type=int, help="runs side by side; default one a core on a CPU, one on CUDA")
    run.set_defaults(command=_run)

    reproduce = commands.add_parser(
        "reproduce", help="run notebooks 00 to 03, then print the paper's, the published and your numbers"
    )
    reproduce.add_argument("--all", action="store_true", help="run all notebooks")
    reproduce.add_argument(
        "--refresh", action="store_true", help="run all notebooks and write their outputs into notebooks/"
    )
    reproduce.set_defaults(command=_reproduce)

    predict = commands.add_parser("predict", help="read pictures of characters with a pretrained network")
    predict.add_argument("image", nargs="+", help="picture files of any size, one character each")
    predict.add_argument(
        "--network", default="hangul-2350", help="hangul-2350, hangul-11172 or omniglot; default %(default)s"
    )
    predict.add_argument("--top", type=int, default=5, help="answers a picture; default %(default)s")
    predict.add_argument("--ink", choices=("dark", "light"), help="default: found picture by picture")
    predict.set_defaults(command=_predict)

    export = commands.add_parser("export", help="write a network for other runtimes")
    export.add_argument("network", help="a pretrained one, or a file of SiameseClassifier.save")
    export.add_argument("target", help="file ending in .onnx, .xml (OpenVINO) or .param (ncnn)")
    export.set_defaults(command=_export)

    tables = commands.add_parser(
        "tables", help="rebuild the tables of results/ and README.md from the published records"
    )
    tables.set_defaults(command=_tables)
    figures = commands.add_parser("figures", help="redraw results/figures/ from the published records")
    figures.set_defaults(command=_figures)
    publish = commands.add_parser("publish", help="copy the records of working runs into results/")
    publish.add_argument("run", nargs="+", help="run ids, or beginnings of them")
    publish.add_argument(
        "--pretrained",
        metavar="NAME",
        help="also make the network of the one run a pretrained one of this name",
    )
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
    from siamese_lib.experiments.config import changed
    from siamese_lib.experiments.grid import run_ablations, run_table
    from siamese_lib.experiments.run import Run

    alone = os.environ.get("WORLD_SIZE", "1") == "1"
    first = alone or os.environ.get("RANK") == "0"  # of several processes under torchrun one speaks
    not_run = {}

    def finished(run: Run) -> None:
        record = run.record
        not_run.update(record["not_run"])
        if first:
            results = "  ".join(
                f"{name} {result['accuracy']:.2f} %" for name, result in record["evaluations"].items()
            )
            config, seconds = record["config"], record["totals"]["seconds"]
            row = " ".join(filter(None, [config["row"], changed(config)]))
            print(f"{record['id']}  {row}  seed {record['seed']}  {seconds:.0f} s  {results}", flush=True)

    common = dict(
        seeds=options.seed,
        sets=options.evaluate,
        variants=options.variants,
        device=options.device,
        jobs=options.jobs,
        finished=finished,
    )
    if options.table == "ablation":
        if options.profile not in (None, "ablation") or options.batch is not None:
            given = f"--batch {options.batch}" if options.batch else f"--profile {options.profile}"
            raise InputError(f"{given}: ablations have a budget and batches of their own; leave it out")
        run_ablations(options.row, **common)
    else:
        profile = options.profile or os.environ.get("SIAMESE_PROFILE", "quick")
        run_table(options.table, options.row, profile=profile, batch=options.batch, **common)
    for name, reason in not_run.items() if first else ():
        print(f"not evaluated on {name}: {reason}")


def _predict(options: argparse.Namespace) -> None:
    from siamese_lib.data.pictures import read_glyph
    from siamese_lib.pretrained import load_pretrained

    if options.top < 1:
        raise InputError(f"--top {options.top}: 1 or more")
    pretrained = load_pretrained(options.network)
    unread = []
    for path in options.image:
        try:
            answers, distances = pretrained.read(
                pretrained.framed([read_glyph(path, options.ink)]), options.top
            )
        except InputError as error:
            unread.append(str(error))
            continue
        pairs = zip(answers[0], distances[0].tolist(), strict=True)
        print(f"{path}: {'  '.join(f'{name} {distance:.2f}' for name, distance in pairs)}", flush=True)
    if unread:
        raise InputError("; ".join(unread))


def _reproduce(options: argparse.Namespace) -> None:
    from siamese_lib.report.notebooks import reproduce

    reproduce(options.all, options.refresh)


def _export(options: argparse.Namespace) -> None:
    from siamese_lib.classifier import SiameseClassifier
    from siamese_lib.export import export
    from siamese_lib.pretrained import NAMES

    read = SiameseClassifier.from_pretrained if options.network in NAMES else SiameseClassifier.load
    print(export(read(options.network), options.target))


def _tables(options: argparse.Namespace) -> None:
    from siamese_lib.report.pages import write_tables

    print("\n".join(write_tables()))


def _figures(options: argparse.Namespace) -> None:
    from siamese_lib.experiments.records import published_arrays, published_records
    from siamese_lib.files import results_folder
    from siamese_lib.report.figures import write_figures

    records = published_records()
    print("\n".join(write_figures(results_folder() / "figures", records, published_arrays(records))))


def _publish(options: argparse.Namespace) -> None:
    from siamese_lib.experiments.records import publish
    from siamese_lib.experiments.take_away import publish_network

    if options.pretrained and len(options.run) != 1:
        raise InputError(f"--pretrained {options.pretrained} takes one run, {len(options.run)} are given")
    for identifier in options.run:
        print(publish(identifier))
        if options.pretrained:
            print(publish_network(identifier, options.pretrained))


def _data(options: argparse.Namespace) -> None:
    from siamese_lib.data.inventory import inventory, pack

    if options.pack:
        print("\n".join(pack(options.pack)))
    print(json.dumps(inventory(), indent=1, ensure_ascii=False))


if __name__ == "__main__":
    sys.exit(main())
