"""What is remarked on after an epoch."""

from keraslike.tracking.remarks import Remarks


def test_a_remark_is_made_once():
    """The first epoch with something to say says it; later ones are silent, and are not asked."""
    asked, said = [], []

    def remark(row):
        asked.append(row["epoch"])
        return f"epoch {row['epoch']}" if row["epoch"] > 1 else None

    remarks = Remarks(remark, said.append)
    for epoch in (1, 2, 3):
        remarks.on_epoch_end(epoch, {"epoch": epoch})

    assert (asked, said) == ([1, 2], ["epoch 2"])
