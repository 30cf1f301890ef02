"""Training a network on somebody's own samples, as profile `best` trains one on Hangul."""

import contextlib
import functools
import numbers
from collections.abc import Iterator

import torch
from torch import Tensor

from siamese_lib import runtime
from siamese_lib.augment import Augmentation, ScanAugmentation
from siamese_lib.batches import ClassSamples
from siamese_lib.errors import InputError
from siamese_lib.losses import PrototypeLoss
from siamese_lib.mining import DistanceBased, UniformPositives
from siamese_lib.model import EmbeddingNet
from siamese_lib.optimiser import SOAP
from siamese_lib.pools import ClassesWithImpostors, Pool, PoolPrototypes
from siamese_lib.training import Plan, Trainer

POOL_CLASSES, POOL_SAMPLES, IMPOSTORS = 64, 4, 3  # as in profile `best`
UPDATES = 10
COMPILED = 50_000  # images from which on compiling the network pays
SHIFT = 0.12


def fit_network(
    images: Tensor,
    labels: Tensor,
    budget: int,
    rate: float,
    scan_share: float | None,
    seed: int,
    device: torch.device,
    progress: bool,
) -> EmbeddingNet:
    """A network trained with the prototype loss.

    Args:
        images: uint8 (N, 37, 37), ink = 255.
        labels: (N,) int64 from 0, each at least once, two or more.
        budget: how many images are trained on.
        rate: highest learning rate.
        scan_share: share of the images that look scanned; None: no image is augmented at all.
        seed: of weights and batches.
        device: where.
        progress: whether to show a bar.

    Returns:
        The network, on the CPU.

    Raises:
        InputError: parameters out of their ranges, named as SiameseClassifier names them.
    """
    if not (isinstance(budget, numbers.Integral) and budget >= 1):
        raise InputError(f"images={budget!r}: a whole number, 1 or more")
    if not rate > 0:
        raise InputError(f"rate={rate!r}: a number above 0")
    if scan_share is not None and not 0 <= scan_share <= 1:
        raise InputError(f"scan_share={scan_share!r}: a share, 0 to 1")
    count = int(labels.max()) + 1
    scan = ScanAugmentation(scan_share) if scan_share else None
    plain = scan_share is None
    augment = Augmentation(probability=0.0) if plain else Augmentation(shift=SHIFT, scan=scan)
    impostors = min(IMPOSTORS, count - 1)
    classes = POOL_CLASSES // (impostors + 1) * (impostors + 1)
    filling = ClassesWithImpostors(UniformPositives(count), DistanceBased(count, impostors), classes)
    images, labels = images.to(device), labels.to(device)
    batch = Pool(ClassSamples(labels, count), filling, PoolPrototypes(), POOL_SAMPLES).to(device)
    steps = -(-budget // batch.images_a_step)
    plan = Plan(steps=steps, updates=min(UPDATES, steps), learning_rate=rate, statistics_samples=2)
    with runtime.seeded(seed, device):
        trainer = Trainer(
            model=EmbeddingNet().to(device),
            loss=PrototypeLoss().to(device),
            batch=batch,
            images=images,
            labels=labels,
            plan=plan,
            augment=augment,
            generator=runtime.seeded_generator(seed, device),
            optimiser=functools.partial(SOAP, lr=rate),
            compiled=budget >= COMPILED,
        )
        with _bar(budget, progress) as advance:
            for line in trainer.periods():
                advance(line)
    return trainer.model.cpu().eval()


@contextlib.contextmanager
def _bar(images: int, shown: bool) -> Iterator[object]:
    from tqdm import tqdm

    with tqdm(total=images, unit="img", unit_scale=True, disable=not shown, ascii=True) as bar:

        def advance(line: dict) -> None:
            bar.set_postfix_str(f"loss {line['loss']:.3g}, misread in training {line['active']:.0%}")
            bar.update(min(line["images"], images) - bar.n)

        yield advance
