"""The taxonomy: what is one, how it is edited, and that YAML keeps it whole."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.classify.taxonomy import (
    Node,
    Taxonomy,
    checked,
    from_paths,
    from_yaml,
    taxonomy_from,
    to_yaml,
    with_changes,
    with_node,
    without_node,
)
from shared.errors import Conflict, NotFound, Refused

NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=12)


@st.composite
def taxonomies(draw: st.DrawFn) -> Taxonomy:
    depth = draw(st.integers(1, 3))
    return checked(Taxonomy(levels=("a", "b", "c")[:depth], nodes=draw(_nodes(depth))))


def _nodes(depth: int) -> st.SearchStrategy[tuple[Node, ...]]:
    below = _nodes(depth - 1) if depth > 1 else st.just(())
    node = st.builds(Node, name=NAMES, description=st.text(max_size=20), children=below)
    return st.lists(node, max_size=3, unique_by=lambda one: one.name).map(tuple)


@settings(max_examples=30, deadline=None)
@given(taxonomies())
def test_yaml_keeps_every_name_and_description(taxonomy: Taxonomy) -> None:
    assert from_yaml(to_yaml(taxonomy)) == taxonomy


@settings(max_examples=30, deadline=None)
@given(taxonomies())
def test_a_taxonomy_is_rebuilt_from_the_paths_of_its_leaves(taxonomy: Taxonomy) -> None:
    assert sorted(from_paths(taxonomy.leaves()).leaves()) == sorted(taxonomy.leaves())


def test_a_no_break_space_in_a_name_is_kept_so_that_labels_still_find_it() -> None:
    path = ("Impôt\u00a0: déclaration", "Revenus")
    assert from_paths([path]).leaves() == [path]
    assert from_yaml(to_yaml(from_paths([path]))).leaves() == [path]


def test_leaves_may_lie_at_different_depths(tree: Taxonomy) -> None:
    assert ("claims", "water damage") in tree.leaves()
    assert ("medical certificate",) in tree.leaves()
    assert ("claims",) not in tree.leaves()


def test_two_siblings_of_one_name_are_refused_by_name() -> None:
    with pytest.raises(Refused, match="claims / motor"):
        taxonomy_from({"nodes": [{"name": "claims", "children": [{"name": "motor"}, {"name": "motor"}]}]})


def test_a_fourth_level_is_refused() -> None:
    deep = {"name": "a", "children": [{"name": "b", "children": [{"name": "c", "children": [{"name": "d"}]}]}]}
    with pytest.raises(Refused, match="level 4"):
        taxonomy_from({"nodes": [deep]})


@pytest.mark.parametrize("wrong", [[], "text", {"nodes": [{"title": "x"}]}, {"nodes": [{"name": " "}]}, {"nodes": 3}])
def test_anything_else_is_refused_in_words(wrong: object) -> None:
    with pytest.raises(Refused, match="axonomy"):
        taxonomy_from(wrong)


def test_broken_yaml_is_refused_with_its_place() -> None:
    with pytest.raises(Refused, match="line 1"):
        from_yaml("nodes: [")


def test_a_class_is_added_renamed_and_removed(tree: Taxonomy) -> None:
    grown = with_node(tree, ("claims",), Node(name="theft", description="Stolen goods"))
    assert ("claims", "theft") in grown.leaves()
    renamed = with_changes(grown, ("claims", "theft"), name="burglary", description=None)
    assert renamed.find(("claims", "burglary")).description == "Stolen goods"
    assert without_node(renamed, ("claims", "burglary")) == tree


def test_a_second_class_of_one_name_is_a_conflict(tree: Taxonomy) -> None:
    with pytest.raises(Conflict):
        with_node(tree, ("claims",), Node(name="water damage"))
    with pytest.raises(Conflict):
        with_changes(tree, ("claims", "motor accident"), name="water damage", description=None)


def test_a_missing_class_is_named(tree: Taxonomy) -> None:
    with pytest.raises(NotFound, match="claims / theft"):
        without_node(tree, ("claims", "theft"))
