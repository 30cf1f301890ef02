"""A grid of runs: rows x protocols x seeds of a table, side by side where that gives most images in all."""

import contextlib
import os
import queue
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator

import torch

from siamese_lib.errors import InputError
from siamese_lib.experiments.ablations import ABLATIONS
from siamese_lib.experiments.config import RunConfig, make_config
from siamese_lib.experiments.profiles import PROFILES
from siamese_lib.experiments.run import Run, check_seed, run_one
from siamese_lib.experiments.tables import choose, table_named
from siamese_lib.experiments.test_sets import known_sets, test_sets_of
from siamese_lib.files import FOLDERS
from siamese_lib.runtime import choose_device, local_device

# backends of joblib whose workers are processes or threads of this machine, started by this process
LOCAL_BACKENDS = ("LokyBackend", "MultiprocessingBackend", "ThreadingBackend", "SequentialBackend")
MEMORY = 2_000_000_000  # bytes that a run may need: 1.02 GB were measured (results/benchmarks/memory.csv)
Job = tuple[RunConfig, int, str | None, list[str], int | None]  # the first arguments of run_one


def run_table(
    table: str,
    rows: Iterable[str] | None = None,
    protocols: Iterable[str] | None = None,
    seeds: Iterable[int] | None = None,
    *,
    profile: str = "quick",
    batch: str | None = None,
    sets: Iterable[str] | None = None,
    variants: int | None = None,
    device: str | None = None,
    jobs: int | None = None,
    progress: bool = True,
    finished: Callable[[Run], None] | None = None,
    **changes,
) -> list[Run]:
    """Rows of a table, each with every seed, in the order of protocols, rows, seeds.

    Finished runs are reused and unfinished ones resumed, so an interrupted grid goes on where it stopped. A
    run that fails does not stop the others.

    Args:
        table: a key of TABLES.
        rows: names of rows; default the profile's own, else the paper's that the batch can run.
        protocols: networks of Table 4 (`drawers`, `alphabets`); default those that the wanted sets need.
        seeds: default as many as the profile has, from 0.
        profile: a key of PROFILES.
        batch: of BATCHES; default the profile's.
        sets, variants, device: as in `run_one`; a network is tested on those of the sets that are its own.
        jobs: runs side by side, each with its share of the processor's cores. Default: one a core on a CPU
            that has the memory (two runs of one thread see more images than one of two threads), one at a
            time on CUDA. The bits of a run depend on its number of threads. Over several machines that see
            one folder of runs: inside `joblib.parallel_config(backend="dask")`, with a `distributed.Client`.
        progress: whether to show a text bar.
        finished: called with each run as soon as it is there.
        changes: other fields of RunConfig.

    Raises:
        InputError: as `make_config` and `run_one`; before anything is trained where that can be known, else
            after the other runs.
    """
    plan = _plan(table, rows, protocols, seeds, profile, batch, sets, variants, device, changes)
    return run_jobs(plan, jobs=jobs, progress=progress, finished=finished)


def run_ablations(
    names: Iterable[str] | None = None,
    seeds: Iterable[int] | None = None,
    *,
    sets: Iterable[str] | None = None,
    variants: int | None = None,
    device: str | None = None,
    jobs: int | None = None,
    progress: bool = True,
    finished: Callable[[Run], None] | None = None,
) -> list[Run]:
    """Ablations with every seed, a run of several of them once; arguments and errors as of `run_table`.

    Args:
        names: of ABLATIONS; default all.
    """
    names = list(ABLATIONS if names is None else names)
    configs = dict.fromkeys(
        config for name in names for config in ABLATIONS[choose("ablation", name, ABLATIONS)].configs()
    )
    seeds = PROFILES["ablation"].seeds_for("table3") if seeds is None else list(seeds)
    for seed in seeds:
        check_seed(seed)
    wanted = known_sets(sets, test_sets_of(""))
    plan = [(config, seed, device, wanted, variants) for config in configs for seed in seeds]
    return run_jobs(plan, jobs=jobs, progress=progress, finished=finished)


def run_jobs(
    plan: list[Job],
    *,
    jobs: int | None = None,
    progress: bool = True,
    finished: Callable[[Run], None] | None = None,
) -> list[Run]:
    """The runs of a plan, in its order; for the arguments and errors see `run_table`.

    Args:
        plan: the arguments of `run_one` up to `variants`, for each run.
    """
    if jobs is not None and (type(jobs) is not int or jobs < 1):
        raise InputError(f"jobs={jobs!r}: a whole number, 1 or more")
    cuda = any(choose_device(local_device(device)).type == "cuda" for _, _, device, *_ in plan)
    alone = cuda or os.environ.get("WORLD_SIZE", "1") != "1"
    jobs = min(len(plan), (1 if alone else side_by_side()) if jobs is None else jobs)
    runs: dict[int, Run] = {}
    errors: list[InputError] = []
    for number, result in _side_by_side(plan, jobs, progress) if jobs > 1 else _in_turn(plan, progress):
        if isinstance(result, InputError):
            errors.append(result)
            continue
        runs[number] = result
        if finished is not None:
            finished(result)
    if errors:
        more = f" (and {len(errors) - 1} more runs failed)" if len(errors) > 1 else ""
        raise InputError(f"{errors[0]}{more}") from errors[0]
    return [runs[number] for number in range(len(plan))]


def side_by_side() -> int:
    """How many runs go side by side by default: one a core, as far as the memory reaches."""
    cores = _cores()
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # a system that does not say
        return cores
    return max(1, min(cores, memory // MEMORY))


def _cores() -> int:
    """Cores that this process may use: fewer than the machine's in a container or under taskset."""
    import joblib

    return joblib.cpu_count()


def _plan(table, rows, protocols, seeds, profile, batch, sets, variants, device, changes) -> list[Job]:
    of_table, of_profile = table_named(table), PROFILES[choose("profile", profile, PROFILES)]
    drawn = batch or of_profile.settings_for(table).get("batch", "pooled")
    default = of_profile.rows if of_profile.rows and batch is None else of_table.rows(drawn)
    rows = list(default if rows is None else rows)
    seeds = of_profile.seeds_for(table) if seeds is None else list(seeds)
    for seed in seeds:
        check_seed(seed)
    networks = of_table.protocols if protocols is None else list(protocols)
    wanted = known_sets(sets, [name for network in networks for name in test_sets_of(network)])
    plan = []
    for network in networks:
        own = [name for name in test_sets_of(network) if name in wanted]
        of_network = changes | ({"protocol": network} if network else {})
        if own:
            configs = [make_config(table, row, profile, batch, **of_network) for row in rows]
            plan += [(config, seed, device, own, variants) for config in configs for seed in seeds]
    return plan


def _in_turn(plan: list[Job], progress: bool) -> Iterator[tuple[int, Run | InputError]]:
    for number, job in enumerate(plan):
        try:
            yield number, run_one(*job, progress)
        except InputError as error:
            if len(plan) == 1:
                raise
            yield number, error


def _side_by_side(plan: list[Job], jobs: int, progress: bool) -> Iterator[tuple[int, Run | InputError]]:
    """The runs as they end, each in a process of its own (joblib: a backend chosen by
    `joblib.parallel_config`, such as dask's on several machines, is used).
    """
    import joblib

    threads = max(1, _cores() // jobs)
    variables = {name: os.environ[name] for name in FOLDERS if name in os.environ}
    here = joblib.parallel.get_active_backend()[0].__class__.__name__ in LOCAL_BACKENDS
    with _bar(plan, progress, here) as lines:
        told = lines if here else None  # a worker that is no child of this process cannot open the queue
        work = (
            joblib.delayed(_work)(number, job, threads, variables, told) for number, job in enumerate(plan)
        )
        done = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")(work)
        for number, result, said in _while_workers_live(done):
            for message in said:
                warnings.warn(message, stacklevel=4)
            if lines is not None and isinstance(result, Run) and result.record["history"]:
                lines.put((number, plan[number][0].images, result.record["history"][-1]["accuracy"]))
            yield number, result


def _while_workers_live(results: Iterator) -> Iterator:
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    try:
        yield from results
    except TerminatedWorkerError as error:
        raise InputError(
            "a process that trained was killed (out of memory?), and the others were stopped; finished runs "
            "are kept: give the same command again, with fewer jobs"
        ) from error


def _work(
    number: int, job: Job, threads: int, variables: dict[str, str], lines
) -> tuple[int, Run | InputError, list[str]]:
    """One run in a worker, with what it warned of; workers live on, so the environment is that of the
    call.
    """
    for name in FOLDERS:
        os.environ.pop(name, None)
    os.environ.update(variables)
    torch.set_num_threads(threads)
    report = None if lines is None else lambda line: lines.put((number, line["images"], line["accuracy"]))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("default")
        try:
            result = run_one(*job, progress=False, report=report)
        except InputError as error:
            result = error
    return number, result, sorted({str(each.message) for each in said if each.category is UserWarning})


@contextlib.contextmanager
def _bar(plan: list[Job], progress: bool, here: bool) -> Iterator[object]:
    """A text bar over the images of all runs; yields the queue of (number, images, accuracy) that moves it,
    or None. The workers can be given the queue where they are `here`.
    """
    if not progress:
        yield None
        return
    from multiprocessing import Manager

    from tqdm import tqdm

    total = sum(config.images for config, *_ in plan)
    with (
        Manager() if here else contextlib.nullcontext() as manager,
        tqdm(
            total=total, unit="img", unit_scale=True, desc=f"{len(plan)} runs", ascii=True, mininterval=1
        ) as bar,
    ):
        lines = manager.Queue() if here else queue.Queue()
        seen, over = {}, threading.Event()

        def move() -> None:
            while not over.is_set():
                with contextlib.suppress(queue.Empty):
                    number, images, accuracy = lines.get(timeout=0.5)
                    config, seed = plan[number][:2]
                    images = min(images, config.images)
                    bar.set_postfix_str(
                        f"{config.row}, seed {seed}: validation {accuracy:.1f} %", refresh=False
                    )
                    bar.update(images - seen.get(number, 0))
                    seen[number] = images

        thread = threading.Thread(target=move, daemon=True)
        thread.start()
        try:
            yield lines
        finally:
            over.set()
            thread.join()
