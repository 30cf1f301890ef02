"""Sentences of arrays, on arrays whose answer can be counted."""

import numpy as np

from siamese_lib.report import classes


def test_share_of_draws_is_that_of_the_most_drawn_tenth():
    p = np.ones((3, 20))
    p[-1, [4, 7]] = 9.0  # the last update: 2 of 20 classes take 18 of 36
    text = classes.share_of_draws(p, "auto-probabilistic")
    assert text.startswith("**auto-probabilistic**: ") and text.endswith("takes 50 % of the draws.")
    assert "takes 10 % of" in classes.share_of_draws(p[:2], "random")


def test_clustered_counts_classes_without_company():
    clusters = np.array([0, 0, 0, 1, 2, 2, 3, 4])
    text = classes.clustered(clusters, "auto-clustering")
    assert "3 of 8 classes (38 %) are alone" in text and text.endswith("the largest cluster holds 3.")
    # ordered pairs inside clusters: 3 * 2 + 2 * 1 = 8; of one alphabet: 2 + 2
    alphabets = ["a", "a", "b", "a", "c", "c", "a", "b"]
    assert "of one alphabet in 50 % of" in classes.clustered(clusters, "auto-clustering", alphabets)
    alone = classes.clustered(np.arange(4), "auto-clustering", ["a"] * 4)
    assert "4 of 4 classes (100 %)" in alone and "alphabet" not in alone


def test_neighbours_share_a_group_or_do_not():
    pairs = np.array([[0.0, 0], [0.1, 0], [9, 0], [9.1, 0]])
    near = classes.shared_with_neighbours(pairs, ["x", "x", "y", "y"], "layout")
    assert near.startswith("For 100 % of the classes") and "of the same layout" in near
    assert near.endswith("by chance it would be 33 %.")
    assert "For 0 % of" in classes.shared_with_neighbours(pairs, ["x", "y", "x", "y"], "alphabet")


def test_a_class_that_coincides_with_another_is_not_its_own_neighbour():
    same = np.array([[1.0, 1], [1, 1], [5, 5], [5, 5]])
    assert "For 100 % of" in classes.shared_with_neighbours(same, ["x", "x", "y", "y"], "layout")
