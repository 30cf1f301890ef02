#!/usr/bin/env bash
# scikit-learn 1.9.1: for an estimator that declares no 2-D input, check_estimator runs one check and passes anything.
#
# An estimator over images says in its tags what it takes: `input_tags.three_d_array = True`, `two_d_array = False`. One expects the
# checks that feed tables to be left out and the others to run: parameters, pickling, not fitted, state. Instead the whole
# suite but one is left out, with a warning (SkipTestWarning) that test runners hide or fold away, and check_estimator returns as
# after a pass. A classifier whose `fit` keeps nothing and whose `predict` answers with three zeros, however many it was asked for,
# passes; with 2-D input declared, dozens of checks fail. What helps is taking flat rows of any width beside images, declaring 2-D
# input, and counting the checks that ran: so SiameseClassifier does, and its test asks for at least 60 checks.
#
# Output seen (Linux, Python 3.11):
#     2-D and 3-D declared: more than 40 checks, more than 20 failed
#     no 2-D declared: 1 checks, 0 failed (check_estimator_cloneable)
#     3-D alone declared: 1 checks, 0 failed (check_estimator_cloneable)
#     said in a warning: SkipTestWarning
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q scikit-learn==1.9.1 numpy==2.4.6
cat >check.py <<'PY'
import warnings

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import SkipTestWarning
from sklearn.utils.estimator_checks import check_estimator


class Idle(ClassifierMixin, BaseEstimator):
    two_d, three_d = True, True

    def fit(self, X, y):
        return self

    def predict(self, X):
        return np.zeros(3)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.three_d_array = self.two_d, self.three_d
        return tags


def tried(title, **declared):
    kind = type("Idle", (Idle,), declared)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        results = check_estimator(kind(), on_fail=None, on_skip="warn")
    failed = sum(result["status"] == "failed" for result in results)
    if len(results) == 1:
        print(f"{title}: 1 checks, {failed} failed ({results[0]['check_name']})")
    else:
        many = "more than 40" if len(results) > 40 else len(results)
        print(f"{title}: {many} checks, {'more than 20' if failed > 20 else failed} failed")
    return [warning.category for warning in heard]


tried("2-D and 3-D declared")
tried("no 2-D declared", two_d=False, three_d=False)
heard = tried("3-D alone declared", two_d=False)
print("said in a warning:", "SkipTestWarning" if SkipTestWarning in heard else "nowhere")
PY
venv/bin/python check.py | tee seen.txt
cat >expected.txt <<'TXT'
2-D and 3-D declared: more than 40 checks, more than 20 failed
no 2-D declared: 1 checks, 0 failed (check_estimator_cloneable)
3-D alone declared: 1 checks, 0 failed (check_estimator_cloneable)
said in a warning: SkipTestWarning
TXT
diff expected.txt seen.txt
echo "as described"
