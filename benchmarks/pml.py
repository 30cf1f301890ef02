"""pytorch-metric-learning inside our loop: its losses and miners on the same network, data, augmentation and compiled step."""

import torch
from pytorch_metric_learning import losses, miners
from torch import Tensor, nn
from torch.nn.functional import normalize

from siamese_lib.batches import ClassSamples, Outcome, Part
from siamese_lib.model import EMBEDDING_SIZE

# name -> (loss, miner): as their documentation sets them up. The last two keep a learnt vector for each class.
SETUPS = {
    "multi-similarity": lambda c: (losses.MultiSimilarityLoss(), miners.MultiSimilarityMiner()),
    "triplet-semihard": lambda c: (
        losses.TripletMarginLoss(),
        miners.TripletMarginMiner(type_of_triplets="semihard"),
    ),
    "circle": lambda c: (losses.CircleLoss(), None),
    "supcon": lambda c: (losses.SupConLoss(), None),
    "proxy-anchor": lambda c: (losses.ProxyAnchorLoss(c, EMBEDDING_SIZE), None),
    "normalised-softmax": lambda c: (losses.NormalizedSoftmaxLoss(c, EMBEDDING_SIZE), None),
}


class PmlLoss(nn.Module):
    """A loss of the library in the place of one of ours; distances are taken between normalised embeddings, as the library takes them."""

    alpha = 0.0

    def __init__(self, setup: str, num_classes: int) -> None:
        super().__init__()
        self.loss, self.miner = SETUPS[setup](num_classes)

    def space(self, x: Tensor) -> Tensor:
        return normalize(x, dim=-1)


class PmlBatch:
    """`classes` different classes, equally likely, with `k` images each: what the library's MPerClassSampler gives."""

    def __init__(self, samples: ClassSamples, positives, negatives, classes: int, k: int) -> None:
        self.samples, self.positives, self.negatives, self.classes, self.k = (
            samples,
            positives,
            negatives,
            classes,
            k,
        )
        self.images_a_step = classes * k

    def draw(self, generator: torch.Generator) -> list[Part]:
        drawn = torch.randperm(self.positives.num_classes, generator=generator, device=generator.device)[
            : self.classes
        ]
        return [Part(self.samples.draw(drawn, self.k, generator).flatten(), drawn.repeat_interleave(self.k))]

    def loss(self, loss: PmlLoss, part: Part, outputs: Tensor, centroids: Tensor | None) -> Outcome:
        chosen = None if loss.miner is None else loss.miner(outputs, part.classes)
        value = loss.loss(outputs, part.classes, chosen)
        zero = outputs.new_zeros(())
        return Outcome(value, zero, zero, zero, zero.long())
