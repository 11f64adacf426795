from pix2pix_jax.core.columns import align


def test_columns_are_as_wide_as_their_longest_cell():
    text = align(["<who", "ms"], [["ours", "1.5"], ["peer", "10.25"]])
    assert text.splitlines() == ["who      ms", "ours    1.5", "peer  10.25"]


def test_lines_do_not_end_in_spaces():
    assert align(["<a", "<b"], [["1", ""], ["", "2"]]).splitlines() == ["a  b", "1", "   2"]


def test_a_table_without_rows_has_only_its_heading():
    assert align(["<a", "b"], []) == "a  b"
