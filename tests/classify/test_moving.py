"""A path of before is found under today's names; a label made after a renaming means what it says."""

from services.classify.moving import Move, moved, since

MOVES = [
    Move("mov_20", 2, ("claims",), ("damage",)),
    Move("mov_40", 3, ("damage", "water"), ("damage", "flood")),
]


def test_a_path_follows_every_renaming_above_it() -> None:
    assert moved(("claims", "water", "kitchen"), MOVES) == ("damage", "flood", "kitchen")
    assert moved(("money",), MOVES) == ("money",)
    assert moved((), MOVES) == ()


def test_a_label_is_read_by_the_renamings_that_came_after_it() -> None:
    assert since("lab_30", MOVES) == MOVES[1:]
    assert moved(("claims",), since("lab_30", MOVES)) == ("claims",)
    assert since("", MOVES) == MOVES
