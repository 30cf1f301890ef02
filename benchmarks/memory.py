"""Peak memory of training and testing 2,350 classes, from fonts to record: a short run of each kind of batch.

python -m benchmarks.memory [--device cuda]
"""

import json
import os
import tempfile

from benchmarks.common import command_line, in_own_process, load, peak_mb, publish
from siamese_lib.experiments.config import make_config
from siamese_lib.experiments.run import run_one
from siamese_lib.experiments.tables import BATCHES
from siamese_lib.runtime import choose_device

IMAGES = 20_480


def main() -> None:
    parser = command_line("benchmarks.memory", __doc__)
    parser.add_argument("--batch", choices=BATCHES, help="measure this one alone and print JSON")
    options = parser.parse_args()
    device = choose_device(options.device)
    if options.batch:
        config = make_config("table3", "random", "quick", options.batch, images=IMAGES, updates=2)
        with tempfile.TemporaryDirectory() as folder:
            os.environ["SIAMESE_RUNS"] = folder
            record = run_one(config, 0, str(device), ["phd08-sim"], 1, progress=False).record
        seen, tested = record["totals"]["images_seen"], record["evaluations"]["phd08-sim"]["images"]
        line = {"device": device.type, "batch": options.batch, "images_seen": seen, "images_tested": tested}
        print(json.dumps(line | {"peak_mb": peak_mb(device)}))
        return
    before, module = load(), "benchmarks.memory"
    lines = [in_own_process(module, "--batch", batch, "--device", str(device)) for batch in BATCHES]
    publish("memory", lines, device, load=before)


if __name__ == "__main__":
    main()
