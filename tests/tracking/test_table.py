from keraslike.tracking.table import text_table


def test_columns_are_aligned():
    """Every line of a column ends where its name ends."""
    rows = [{"epoch": 1, "time": 2.0, "loss": 0.5, "acc": 81.25}, {"epoch": 10, "time": 61.0, "loss": 12.5, "acc": 5.0}]

    assert text_table(rows).splitlines() == [
        "epoch    loss    acc   time",
        "    1  0.5000  81.25   2.0s",
        "   10   12.50  5.000  01:01",
    ]


def test_values_that_an_epoch_lacks_stay_empty():
    """A second training may have no validation."""
    rows = [{"epoch": 1, "loss": 0.5, "val_loss": 0.25}, {"epoch": 2, "loss": 0.5}]

    assert text_table(rows).splitlines()[1:] == ["    1  0.5000    0.2500", "    2  0.5000"]


def test_times_that_an_epoch_lacks_stay_empty():
    """As values do."""
    assert text_table([{"epoch": 1, "time": 1.0}, {"epoch": 2}]).splitlines()[1:] == ["    1  1.0s", "    2"]


def test_many_epochs_show_the_first_and_the_last():
    """Ten each, and how many lie between."""
    lines = text_table([{"epoch": epoch, "loss": 0.5} for epoch in range(1, 101)]).splitlines()

    assert [lines[1], lines[10], lines[11], lines[12], lines[-1]] == [
        "    1  0.5000",
        "   10  0.5000",
        "... 80 epochs ...",
        "   91  0.5000",
        "  100  0.5000",
    ]


def test_columns_without_room_are_named():
    """The losses always have room; no line is wider than 80 columns."""
    row = {"epoch": 1, "time": 1.0, **{f"metric_{index}": 0.5 for index in range(30)}, "loss": 0.5, "val_loss": 0.5}
    lines = text_table([row]).splitlines()

    assert lines[0].startswith("epoch    loss  val_loss  metric_0")
    assert lines[-1].startswith("Not shown: metric_")
    assert max(map(len, lines)) <= 80
