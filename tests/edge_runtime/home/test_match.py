from __future__ import annotations

import numpy as np

from edge_runtime.home.inventory import Home
from edge_runtime.home.match import BASE, FEATURES, build_index, features, stems
from edge_runtime.home.words import tokenize


def column(matrix: np.ndarray, name: str) -> list[int]:
    return matrix[:, BASE.index(name)].astype(int).tolist()


def test_names_and_places_are_marked_where_they_occur(home: Home) -> None:
    matrix = features(tokenize("turn off the sofa lamp in the living room"), build_index(home))
    assert matrix.shape == (9, FEATURES)
    assert column(matrix, "name_full") == [0, 0, 0, 1, 1, 0, 0, 0, 0]
    assert column(matrix, "area_full") == [0, 0, 0, 0, 0, 0, 0, 1, 1]


def test_features_tell_how_a_word_occurs_never_which_home_it_is(home: Home) -> None:
    renamed = Home(
        home.areas,
        tuple(e if e.id != "light.sofa" else type(e)(e.id, "Zorblax Orb", e.area, e.domain) for e in home.entities),
    )
    ours = features(tokenize("sofa lamp on"), build_index(home))
    theirs = features(tokenize("zorblax orb on"), build_index(renamed))
    assert column(ours, "name_full") == column(theirs, "name_full") == [1, 1, 0]


def test_a_typing_slip_still_finds_its_name(home: Home) -> None:
    matrix = features(tokenize("thermsotat up"), build_index(home))
    assert column(matrix, "fuzzy") == [1, 0]
    assert column(matrix, "name_word") == [1, 0]


def test_the_speakers_area_is_marked(home: Home) -> None:
    matrix = features(tokenize("the kitchen"), build_index(home), stems("Kitchen"))
    assert column(matrix, "here") == [0, 1]
