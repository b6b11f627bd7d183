import pytest
from tests.mutants.run import ROOT, Mutant, apply, copy_tree, load, node_ids, place

MUTANTS = load()


def test_there_are_forty_mutants_or_more_and_each_has_a_name_of_its_own():
    assert len({mutant.id for mutant in MUTANTS}) == len(MUTANTS) >= 40


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.id for mutant in MUTANTS])
def test_a_mutant_changes_one_line_of_lib_and_has_tests_that_are_there(mutant: Mutant):
    text = place(mutant, ROOT).read_text()
    before, after = text.splitlines(), text.replace(mutant.old, mutant.new).splitlines()
    assert sum(one != other for one, other in zip(before, after, strict=True)) == 1
    compile("\n".join(after), "mutant", "exec")
    assert node_ids(mutant, ROOT)


def test_a_mutant_is_put_into_a_copy_alone(tmp_path):
    file, text = apply(MUTANTS[0], copy_tree(tmp_path))
    assert file.is_relative_to(tmp_path)
    assert file.read_text() != text == (ROOT / file.relative_to(tmp_path)).read_text()
